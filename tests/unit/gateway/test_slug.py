"""Which slug a name has."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.slug import (
    MAX_SLUG_LENGTH,
    InvalidSlug,
    SlugField,
    following_slug,
    job_with_slug,
    new_slug,
    slugify,
)
from tests.fixtures.builders import SOME_TIME, make_job


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Analytics Jobs", "analytics-jobs"),
        ("  Dev/Ops -- Team 7! ", "dev-ops-team-7"),
        ("already-a-slug", "already-a-slug"),
        ("snake_case", "snake-case"),
        ("Équipe Café", "equipe-cafe"),
        ("Straße", "strasse"),
        ("\uff21\uff22\uff23\u3000\uff11\uff12", "abc-12"),
        ("a—b", "a-b"),
        ("日本 ops", "ops"),
        ("日本", ""),
        ("---", ""),
        ("", ""),
        ("x" * 255, "x" * 100),
        ("x" * 99 + " yz", "x" * 99),
    ],
)
def test_a_slug_is_made_of_what_ascii_has(text: str, slug: str) -> None:
    assert slugify(text) == slug


@given(st.text(max_size=300))
def test_every_text_has_a_valid_slug_or_none(text: str) -> None:
    slug = slugify(text)
    assert len(slug) <= MAX_SLUG_LENGTH
    assert all(part.isascii() and part.isalnum() and part == part.lower() for part in slug.split("-") if slug)
    assert slugify(slug) == slug


@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=60))
def test_letter_case_does_not_matter(text: str) -> None:
    assert slugify(text.upper()) == slugify(text.upper().lower())


def test_an_explicit_slug_comes_before_the_name() -> None:
    assert new_slug("インフラ", "Infra Team") == "infra-team"
    assert new_slug("Infra", None) == new_slug("Infra", "") == "infra"


@pytest.mark.parametrize(("name", "explicit"), [("インフラ", None), ("インフラ", ""), ("Infra", "!!!")])
def test_a_slug_must_have_something_in_it(name: str, explicit: str | None) -> None:
    with pytest.raises(InvalidSlug) as raised:
        new_slug(name, explicit)
    assert (raised.value.title, raised.value.message) == (
        "Invalid slug",
        "Unable to generate a valid slug from name.",
    )


def test_the_slug_follows_the_name() -> None:
    assert following_slug("Reports", "Analytics", "analytics") == "reports"
    assert following_slug("Analytics Jobs", "Analytics Jobs", "analytics") == "analytics-jobs"


def test_a_name_without_a_slug_of_its_own_may_stay_but_not_be_given() -> None:
    assert following_slug("インフラ", "インフラ", "infra") == "infra"
    with pytest.raises(InvalidSlug):
        following_slug("運用", "インフラ", "infra")


@pytest.mark.parametrize("field", ["category", "pic_team"])
@pytest.mark.parametrize("behind", [timedelta(0), timedelta(hours=1)])
def test_a_job_that_follows_is_its_next_version(field: SlugField, behind: timedelta) -> None:
    job = make_job(version=7, metadata={"n": 1}, is_active=False)
    moved = job_with_slug(job, field, "new-name", SOME_TIME - behind)
    assert moved.before == job
    assert moved.job == job.model_copy(
        update={
            field: "new-name",
            "version": 8,
            "updated_at": SOME_TIME - behind,
            "effective_at": SOME_TIME + timedelta(microseconds=1),
        }
    )


def test_it_is_in_force_from_now_on() -> None:
    now = SOME_TIME + timedelta(minutes=5)
    assert job_with_slug(make_job(), "category", "x", now).job.effective_at == now
