"""What the rows of a CSV file mean: jobs as flat fields, or what is wrong with a row. What a job's fields may be is
for the rules of jobs; here is what only a CSV file has: several headers for one field, and short forms in its cells.
"""

import json
from dataclasses import dataclass
from typing import Any

from services.gateway.domain.csv_table import CsvRow, CsvTable, InvalidCsv, folded
from shared.errors import RuleViolation

MAX_CELL_BYTES = 4 * 1024
MAX_REQUEST_BODY_BYTES = 64 * 1024
JST = "Asia/Tokyo"

_CRON_IN_JST = "cron schedule (jst)"
_REQUEST_BODY = ("request body", "metadata")
# Of several columns for one field, the first one with something in it counts.
_HEADERS: dict[str, tuple[str, ...]] = {
    "name": ("job name", "name"),
    "cron_expression": (_CRON_IN_JST, "cron expression", "cron"),
    "end_date": ("end date",),
    "pic_team": ("pic team", "pic team slug"),
    "category": ("category", "job category"),
    "status": ("status", "is active", "active"),
    "target_url": ("target url", "url"),
    "dispatch_url": ("dispatch url", "github dispatch url"),
    "github_owner": ("github owner", "owner"),
    "github_repo": ("repo", "github repo"),
    "github_workflow_name": ("workflow name", "github workflow name"),
    "request_body": _REQUEST_BODY,
    "branch": ("branch", "ref"),
}
_KNOWN = frozenset(header for headers in _HEADERS.values() for header in headers)
_REQUIRED = ("name", "cron_expression", "end_date", "pic_team")
_AS_THEY_ARE = (*_REQUIRED, "category")
_STATUS = {
    **dict.fromkeys(("enable", "enabled", "active", "true", "1", "yes", "y", "on"), True),
    **dict.fromkeys(("disable", "disabled", "inactive", "paused", "false", "0", "no", "n", "off"), False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A row that can be understood; `fields` are those of a new job in their flat form."""

    number: int
    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """What is wrong with a row; `name` is the job's, as far as the row has one."""

    row: int
    name: str | None
    title: str
    message: str


class _InvalidRow(RuleViolation):
    """A row that cannot become a job."""


def read_jobs(table: CsvTable, default_owner: str | None) -> tuple[list[JobRow], list[RowError]]:
    """The rows that can be understood, and the errors of the others.

    `default_owner` is whose the repositories are that a row names without an owner. Raises `InvalidCsv` for a file that
    is about something else.
    """
    if not table.headers & _KNOWN:
        raise InvalidCsv("The first row has no column that jobs know, such as Job Name or Target URL.")
    jobs: list[JobRow] = []
    errors: list[RowError] = []
    first_rows: dict[str, int] = {}
    for row in table.rows:
        given = _given(row)
        try:
            _check_name(row.number, given.get("name"), first_rows)
            fields = _fields(row, given, default_owner)
        except _InvalidRow as error:
            name = given.get("name")
            errors.append(RowError(row=row.number, name=name, title=error.title, message=error.message))
        else:
            jobs.append(JobRow(number=row.number, name=fields["name"], fields=fields))
    return jobs, errors


def parse_dispatch_url(text: str) -> tuple[str, str, str] | None:
    """Owner, repository and workflow of a workflow's address; None if it is none.

    That is a page's or the API's URL, their path alone, or `owner/repo/workflow`.
    """
    scheme, separator, rest = text.partition("://")
    path = (rest if separator else scheme).partition("?")[0].partition("#")[0]
    parts = [part for part in path.split("/") if part]
    for place in range(2, len(parts) - 2):
        if parts[place : place + 2] == ["actions", "workflows"]:
            return parts[place - 2], parts[place - 1], parts[place + 2]
    if len(parts) == 3 and not separator:
        return parts[0], parts[1], parts[2]
    return None


def _given(row: CsvRow) -> dict[str, str]:
    """What the row says of each field."""
    return {
        field: text
        for field, headers in _HEADERS.items()
        if (text := next((row.cells[header] for header in headers if header in row.cells), None))
    }


def _check_name(number: int, name: str | None, first_rows: dict[str, int]) -> None:
    """Of several rows with one name, only the first can be meant, be it right or wrong."""
    first = first_rows.setdefault(name, number) if name is not None else number
    if first != number:
        raise _InvalidRow(f"Row {first} has the same name.", title="Duplicate job name in CSV")


def _fields(row: CsvRow, given: dict[str, str], default_owner: str | None) -> dict[str, Any]:
    _check_shape(row)
    missing = [name for name in _REQUIRED if name not in given]
    if missing:
        raise _InvalidRow(f"The row needs {', '.join(missing)}.", title="Missing required fields")
    fields: dict[str, Any] = {name: given[name] for name in _AS_THEY_ARE if name in given}
    if _CRON_IN_JST in row.cells:
        fields["timezone"] = JST
    if "status" in given:
        fields["is_active"] = _is_active(given["status"])
    if "request_body" in given or "branch" in given:
        fields["metadata"] = _metadata(given)
    return {**fields, **_target(given, default_owner)}


def _check_shape(row: CsvRow) -> None:
    if row.has_surplus:
        raise _InvalidRow(
            "The row has more cells than the header; is a comma not quoted?", title="Invalid row"
        )
    for header, cell in row.cells.items():
        limit = MAX_REQUEST_BODY_BYTES if header in _REQUEST_BODY else MAX_CELL_BYTES
        if len(cell.encode()) > limit:
            raise _InvalidRow(f'"{header}" must have at most {limit} bytes.', title="Invalid row")


def _is_active(status: str) -> bool:
    try:
        return _STATUS[folded(status)]
    except KeyError as error:
        raise _InvalidRow(
            f'"{status}" is no status; write enable or disable.', title="Invalid status"
        ) from error


def _metadata(given: dict[str, str]) -> dict[str, Any]:
    metadata = _request_body(given["request_body"]) if "request_body" in given else {}
    if "branch" in given:
        metadata.setdefault("branchDetails", given["branch"])
    return metadata


def _request_body(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        is_json = not isinstance(error, json.JSONDecodeError)
        problem = "a number is too long, or it is nested too deeply" if is_json else str(error)
        raise _InvalidRow(f"Request Body: {problem}.", title="Invalid JSON in Request Body") from error
    if not isinstance(parsed, dict):
        raise _InvalidRow("Request Body must be a JSON object.", title="Invalid Request Body")
    return parsed


def _target(given: dict[str, str], default_owner: str | None) -> dict[str, str | None]:
    """The target's fields, all of them: what a row does not say of its target is not there."""
    url = given.get("target_url")
    owner, repo, workflow = (
        given.get(name) for name in ("github_owner", "github_repo", "github_workflow_name")
    )
    if short := _workflow(given):
        url, (owner, repo, workflow) = None, short
    elif repo is not None or workflow is not None:
        owner = owner or default_owner
        if owner is None and (repo is None or "/" not in repo):
            raise _InvalidRow(
                "Write Repo as owner/repo, or give a GitHub Owner or default_github_owner.",
                title="Missing GitHub owner",
            )
    return {
        "target_url": url,
        "github_owner": owner,
        "github_repo": repo,
        "github_workflow_name": workflow,
    }


def _workflow(given: dict[str, str]) -> tuple[str, str, str] | None:
    """What one cell says of a workflow: a dispatch URL, or its short form where a URL would stand."""
    if "dispatch_url" in given:
        parsed = parse_dispatch_url(given["dispatch_url"])
        if parsed is None:
            raise _InvalidRow(
                "Write owner/repo/workflow, or the URL of the workflow's page.", title="Invalid dispatch_url"
            )
        return parsed
    url = given.get("target_url", "")
    parsed = parse_dispatch_url(url) if "://" not in url else None
    # With a dot in it, the first part is rather a host whose scheme was forgotten.
    return parsed if parsed is not None and "." not in parsed[0] else None
