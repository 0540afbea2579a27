"""Jobs from a CSV file."""

from datetime import date
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from fastapi import UploadFile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from services.gateway.api.v2.fields import GitHubName
from services.gateway.api.v2.models.common import View

MISSING_FILE = "Missing file"

# A form has only text.
_FLAG_SCHEMA = {"type": "string", "enum": ["true", "false", "1", "0", "yes", "no", "on", "off"]}
_FormFlag: TypeAlias = Annotated[bool, WithJsonSchema(_FLAG_SCHEMA)]


def _sent_as_file(value: object) -> object:
    if isinstance(value, str):
        raise PydanticCustomError("text", "must be sent as a file, with its name", {"title": MISSING_FILE})
    return value


class BulkUploadForm(BaseModel):
    """The file, and how it is meant."""

    # A field that nobody knows may be a misspelt `dry_run`.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "required": ["file"],
            "examples": [
                {
                    "file": "name,cron_expression,pic_team,end_date,target_url,status\n"
                    "Job 1,0 0 * * *,devops,2027-12-31,https://api.example.com/webhook,enable\n",
                    "default_github_owner": "myorg",
                    "dry_run": "true",
                }
            ],
        },
    )

    file: Annotated[
        UploadFile | None,
        BeforeValidator(_sent_as_file),
        WithJsonSchema({"type": "string", "format": "binary"}),
    ] = Field(default=None, description="A CSV file in UTF-8 whose first row names the columns.")
    default_github_owner: GitHubName | None = Field(
        default=None, description="Whose the repositories are that a row names without an owner."
    )
    dry_run: _FormFlag = Field(
        default=False,
        description="Say what would happen, and change nothing.",
        json_schema_extra={"default": "false"},
    )
    update_existing: _FormFlag = Field(
        default=False,
        description="A row whose name is taken changes the job of that name; otherwise it is an error.",
        json_schema_extra={"default": "false"},
    )


class UploadStats(View):
    """What was left out of the file before its rows were looked at."""

    original_column_count: int
    original_row_count: int = Field(description="Without the header.")
    removed_column_count: int = Field(description="Columns without a header.")
    removed_empty_row_count: int


class RowErrorView(View):
    """Why a row was left out."""

    row: int = Field(description="As a spreadsheet counts: the header is row 1.")
    name: str | None
    job_name: str | None = Field(description="The same as `name`.")
    error: str
    message: str


class CheckedJobView(View):
    """What a good row would make of its job."""

    name: str
    is_active: bool
    cron_expression: str
    end_date: date | None
    pic_team: str | None
    category: str
    action: Literal["created", "updated"]


class UploadedJobView(CheckedJobView):
    """What a good row made of its job."""

    id: UUID


class BulkUploadAnswer(View):
    """What became of the rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message": "Bulk upload completed",
                    "dry_run": False,
                    "stats": {
                        "original_column_count": 9,
                        "original_row_count": 2,
                        "removed_column_count": 0,
                        "removed_empty_row_count": 0,
                    },
                    "created_count": 1,
                    "updated_count": 0,
                    "error_count": 1,
                    "errors": [
                        {
                            "row": 3,
                            "name": "Bad Job",
                            "job_name": "Bad Job",
                            "error": "Invalid cron expression",
                            "message": "Cron expression must have exactly 5 fields",
                        }
                    ],
                    "jobs": [
                        {
                            "name": "Job 1",
                            "is_active": True,
                            "cron_expression": "0 0 * * *",
                            "end_date": "2027-12-31",
                            "pic_team": "devops",
                            "category": "maintenance",
                            "action": "created",
                            "id": "550e8400-e29b-41d4-a716-446655440000",
                        }
                    ],
                    "created": 1,
                    "updated": 0,
                    "failed": 1,
                }
            ]
        }
    )

    message: str
    dry_run: bool
    stats: UploadStats
    created_count: int
    updated_count: int
    error_count: int
    errors: list[RowErrorView] = Field(description="By row.")
    jobs: Annotated[
        list[UploadedJobView] | list[CheckedJobView],
        Field(description="One for each good row; without ids in a dry run."),
    ]
    created: int = Field(description="The same as `created_count`.")
    updated: int = Field(description="The same as `updated_count`.")
    failed: int = Field(description="The same as `error_count`.")
