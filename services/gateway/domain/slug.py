"""Slugs: the short names of categories and teams, which jobs carry and which follow from the names that people give."""

import re
import unicodedata
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from shared.domain.job import Job
from shared.errors import Conflict, RuleViolation
from shared.events import JobUpdated

SlugField: TypeAlias = Literal["category", "pic_team"]
"""Where a job carries one."""

MAX_SLUG_LENGTH = 100

_SEPARATORS = re.compile(r"[^a-z0-9]+")


class InvalidSlug(RuleViolation):
    """Nothing of the name can stand in a slug."""

    title = "Invalid slug"

    def __init__(self) -> None:
        super().__init__("Unable to generate a valid slug from name.")


class DuplicateSlug(Conflict):
    """Another one of the kind has the slug."""

    title = "Duplicate slug"

    def __init__(self, kind: str, slug: str) -> None:
        super().__init__(f'{kind} slug "{slug}" already exists.')


def slugify(text: str) -> str:
    """At most 100 lowercase ASCII letters, digits and hyphens between them; empty if the text has no such letters.

    Accents go, so that a name finds its slug however it is typed.
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _SEPARATORS.sub("-", letters.casefold()).strip("-")[:MAX_SLUG_LENGTH].rstrip("-")


def new_slug(name: str, explicit: str | None) -> str:
    """The slug of something new: of the slug that is given, or else of the name. Raises `InvalidSlug`."""
    slug = slugify(explicit or name)
    if not slug:
        raise InvalidSlug
    return slug


def following_slug(name: str, previous_name: str, previous_slug: str) -> str:
    """The slug after a change of name. A name of which no slug can be made may stay, but not be given. Raises `InvalidSlug`."""
    if name == previous_name and not slugify(name):
        return previous_slug
    return new_slug(name, None)


def job_with_slug(job: Job, field: SlugField, slug: str, now: datetime) -> JobUpdated:
    """What happens to a job when its category or team is renamed; versions follow one another whatever clocks say."""
    changes = {
        field: slug,
        "version": job.version + 1,
        "updated_at": now,
        "effective_at": max(now, job.effective_at + timedelta(microseconds=1)),
    }
    return JobUpdated(job=job.model_copy(update=changes), before=job)
