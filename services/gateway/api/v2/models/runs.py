"""Asking for a run."""

from typing import Annotated, Any, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, WrapValidator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import PydanticCustomError

from services.gateway.api.v2.fields import GitHubName, Metadata
from services.gateway.api.v2.models.common import Input
from services.gateway.domain.target import MAX_URL_LENGTH

MAX_TOKEN_LENGTH = 255


def _payload(value: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
    """Whatever is wrong with a part of what is sent, the contract has one name for it."""
    try:
        return handler(value)
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise PydanticCustomError(
            "invalid_payload", "{reason}", {"reason": reason, "title": "Invalid payload"}
        ) from error


_Part = WrapValidator(_payload)
_Object: TypeAlias = Annotated[Metadata | None, _Part]
_Name: TypeAlias = Annotated[GitHubName | None, _Part]
_Url: TypeAlias = Annotated[str | None, Field(max_length=MAX_URL_LENGTH), _Part]
_Token: TypeAlias = Annotated[
    Annotated[str, StringConstraints(max_length=MAX_TOKEN_LENGTH, pattern=r"^[\x21-\x7e]*$")] | None, _Part
]


class RunRequest(Input):
    """What this run has of its own, in place of the job's: never stored in the job, and in no answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"inputs": {"key": "value"}}, {"target_url": "https://example.com/hook"}]
        }
    )

    metadata: _Object = Field(default=None, description="Laid over the job's metadata.")
    inputs: _Object = Field(default=None, description="Workflow inputs, laid over the metadata.")
    target_url: _Url = Field(default=None, description="Called instead, unless a workflow is named.")
    github_owner: _Name = Field(default=None, description="Instead of the job's own owner.")
    github_repo: _Name = Field(default=None, description="Its name, or `owner/name`.")
    github_workflow_name: _Name = Field(
        default=None, description="The workflow's file, such as `deploy.yml`."
    )
    github_token: _Token = Field(
        default=None, repr=False, description="Dispatches this run instead of the installation's token."
    )

    def overrides(self) -> dict[str, Any]:
        """What is given, as fields of `RunOverrides`."""
        return self.model_dump(exclude_none=True)
