"""Jobs from a CSV file."""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Form, Query, UploadFile
from pydantic import ValidationError

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.headers import Retrying
from services.gateway.api.permissions import Editor
from services.gateway.api.v2.models.bulk_upload import (
    MISSING_FILE,
    BulkUploadAnswer,
    BulkUploadForm,
    CheckedJobView,
    RowErrorView,
    UploadedJobView,
    UploadStats,
)
from services.gateway.api.v2.models.job_changes import JobUpdate
from services.gateway.api.v2.models.new_jobs import JobCreate
from services.gateway.commands.bulk_upload import Upload, UploadOptions, UploadRow, upload_jobs
from services.gateway.commands.idempotency import canonical
from services.gateway.domain.csv_jobs import JobRow, RowError, read_jobs
from services.gateway.domain.csv_table import MAX_FILE_BYTES, CsvTable, read_table
from shared.errors import RuleViolation

# As other errors name these fields.
_TITLES = {"cron_expression": "Invalid cron expression", "pic_team": "Invalid PIC team"}
_VIEWED = set(CheckedJobView.model_fields) - {"action"}

_Form: TypeAlias = Annotated[BulkUploadForm, Form(media_type="multipart/form-data")]

_DryRun: TypeAlias = Annotated[
    bool | None,
    Query(alias="dry_run", description="The same as the form's field: only say what would happen."),
]

router = APIRouter(prefix="/jobs", tags=["Jobs"])


class MissingFile(RuleViolation):
    """The form has no file."""

    title = MISSING_FILE

    def __init__(self) -> None:
        super().__init__('Send a CSV file as the field "file" of a multipart/form-data body.')


@router.post("/bulk-upload", responses=error_responses(400, 401, 403, 409, 413))
async def bulk_upload(
    gateway: ThisGateway, caller: Editor, form: _Form, retry: Retrying, checks_only: _DryRun = None
) -> BulkUploadAnswer:
    """Create jobs from the good rows of a CSV file, all at once; what is wrong with the others is told row by row."""
    dry_run = form.dry_run or bool(checks_only)
    content = await _content(form.file)
    table = read_table(content)
    owner = form.default_github_owner or gateway.settings.default_github_owner
    rows, errors = _checked(*read_jobs(table, owner))
    meant = canonical(form.model_dump(mode="json", exclude={"file"}))
    outcome = await upload_jobs(
        gateway,
        rows,
        caller.actor,
        caller.user.id,
        UploadOptions(dry_run=dry_run, update_existing=form.update_existing),
        retry.keyed_bytes(caller, "upload jobs", meant + b"\n" + content),
    )
    retry.tell(outcome)
    return _answer(table, outcome.value, errors, dry_run=dry_run)


async def _content(file: UploadFile | None) -> bytes:
    # A form whose file was not chosen sends a file without a name.
    if file is None or not file.filename:
        raise MissingFile
    return await file.read(MAX_FILE_BYTES + 1)


def _checked(rows: list[JobRow], errors: list[RowError]) -> tuple[list[UploadRow], list[RowError]]:
    """The rows whose fields are what a single create takes, and the errors of the others."""
    good: list[UploadRow] = []
    bad = list(errors)
    for row in rows:
        try:
            fields = JobCreate.model_validate(row.fields).fields()
            changes = JobUpdate.model_validate(row.fields).fields()
        except ValidationError as error:
            bad.append(_row_error(row, error))
        else:
            good.append(UploadRow(number=row.number, name=row.name, fields=fields, changes=changes))
    return good, bad


def _row_error(row: JobRow, error: ValidationError) -> RowError:
    problem = error.errors()[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    title = problem.get("ctx", {}).get("title") or _TITLES.get(field) or f"Invalid {field or 'row'}"
    reason = problem["msg"].removeprefix("Value error, ")
    message = f"{field}: {reason}" if field else reason
    return RowError(row=row.number, name=row.name, title=title, message=message)


def _answer(table: CsvTable, upload: Upload, errors: list[RowError], *, dry_run: bool) -> BulkUploadAnswer:
    all_errors = sorted((*errors, *upload.errors), key=lambda error: error.row)
    created = sum(job.is_new for job in upload.jobs)
    updated = len(upload.jobs) - created
    return BulkUploadAnswer(
        message=_message(is_useless=bool(all_errors) and not upload.jobs, dry_run=dry_run),
        dry_run=dry_run,
        stats=UploadStats.model_validate(table),
        created_count=created,
        updated_count=updated,
        error_count=len(all_errors),
        errors=[
            RowErrorView(
                row=error.row,
                name=error.name,
                job_name=error.name,
                error=error.title,
                message=error.message,
            )
            for error in all_errors
        ],
        jobs=_jobs(upload, dry_run=dry_run),
        created=created,
        updated=updated,
        failed=len(all_errors),
    )


def _message(*, is_useless: bool, dry_run: bool) -> str:
    if dry_run:
        return "CSV validation failed" if is_useless else "CSV validated successfully"
    return "No row could be used; see errors" if is_useless else "Bulk upload completed"


def _jobs(upload: Upload, *, dry_run: bool) -> list[UploadedJobView] | list[CheckedJobView]:
    shown = [
        {**job.model_dump(include=_VIEWED), "action": "created" if job.is_new else "updated"}
        for job in upload.jobs
    ]
    if dry_run:
        return [CheckedJobView.model_validate(job) for job in shown]
    return [
        UploadedJobView.model_validate({**view, "id": job.id})
        for view, job in zip(shown, upload.jobs, strict=True)
    ]
