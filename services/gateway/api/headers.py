"""Headers that say more than the body: which version is meant, and whether a request was sent before."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from services.gateway.api.permissions import Caller
from services.gateway.commands.idempotency import Keyed, Outcome, canonical, request_hash
from shared.errors import RuleViolation

REPLAYED = "Idempotency-Replayed"
MAX_KEY_LENGTH = 255

_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
# Weak tags never match (RFC 9110, section 13.1.1), nor does what is no version.
_VERSION = re.compile(r'(?<!W/)"([1-9][0-9]{0,9})"')


def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="The `ETag` of the version that is meant; `*` or nothing for any.",
            examples=['"3"'],
        ),
    ] = None,
) -> frozenset[int] | None:
    text = (if_match or "*").strip()
    if text == "*":
        return None
    if not _TAGS.fullmatch(text):
        raise RuleViolation('If-Match must be `*` or entity tags such as "3"', title="Invalid If-Match")
    return frozenset(int(version) for version in _VERSION.findall(text))


Versions: TypeAlias = Annotated[frozenset[int] | None, Depends(_if_match)]
"""Those that `If-Match` names; None: any."""


def set_version(response: Response, version: int) -> None:
    """Say which version the answer shows."""
    response.headers["ETag"] = f'"{version}"'


@dataclass(frozen=True, slots=True)
class Retry:
    """What a client needs to send a request again without having it done again."""

    key: str | None
    path: str
    response: Response

    def keyed(self, caller: Caller, operation: str, body: BaseModel | None) -> Keyed | None:
        """The request as it is remembered; None where it carries no key."""
        said: Any = body.model_dump(mode="json", exclude_unset=True) if body is not None else {}
        return self.keyed_bytes(caller, operation, canonical(said))

    def keyed_bytes(self, caller: Caller, operation: str, body: bytes) -> Keyed | None:
        """The same of a body that is not JSON."""
        if self.key is None:
            return None
        return Keyed(
            user_id=caller.user.id,
            key=self.key,
            operation=operation,
            request_hash=request_hash(self.path, body),
        )

    def tell(self, outcome: Outcome[Any]) -> None:
        """Say in the answer if it is a repetition."""
        if outcome.is_replayed:
            self.response.headers[REPLAYED] = "true"


def _retry(
    request: Request,
    response: Response,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=rf"^[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}$",
            description="Sent again with the same key within 24 hours, the request is not done again.",
            examples=["7f3d0c1e-create-nightly"],
        ),
    ] = None,
) -> Retry:
    return Retry(key, request.url.path, response)


Retrying: TypeAlias = Annotated[Retry, Depends(_retry)]
