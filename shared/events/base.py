"""What all messages share."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """What all messages share; `type` travels in the envelope, not in the body."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: ClassVar[int] = 1
    type: str

    def body(self) -> dict[str, Any]:
        """The JSON-ready body, as stored and as sent."""
        return self.model_dump(mode="json", exclude={"type"})
