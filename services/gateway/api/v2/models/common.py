"""What all models share: input refuses fields that it does not know, answers never change."""

import json
from typing import Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator


class Input(BaseModel):
    """What all inputs share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_text_throughout(cls, value: Any) -> Any:
        # JSON can spell half a character; neither hashes nor databases nor mails can hold one.
        if isinstance(value, dict):
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                raise ValueError("The body must not contain lone surrogates") from error
            except RecursionError as error:  # the parser of the body gets a little deeper
                raise ValueError("The body is nested too deeply") from error
        return value


class Update(Input):
    """Changes of what a GET shows: what it shows and nobody can change may be sent back, and is passed over."""

    fixed: ClassVar[frozenset[str]]

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_fixed(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: given for name, given in value.items() if name not in cls.fixed}


def choice(name: str) -> str:
    """The tag of one of the models that an input may be; where errors are told, it is left out."""
    return f"({name})"


def not_given() -> Any:
    """Stands where an update leaves a field alone; which ones it sets is told by `exclude_unset`, not by a value."""
    return None


class View(BaseModel):
    """What all answers share: they can be made from a row, and never change."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class PeriodView(View):
    """The period that was asked for, as it was understood; null is open."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_: AwareDatetime | None = Field(alias="from")
    to: AwareDatetime | None
