"""What the rows of a CSV file mean as jobs."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.csv_jobs import (
    MAX_CELL_BYTES,
    MAX_REQUEST_BODY_BYTES,
    JobRow,
    RowError,
    parse_dispatch_url,
    read_jobs,
)
from services.gateway.domain.csv_table import InvalidCsv, read_table

HOOK = "https://example.com/hook"
GOOD = {
    "name": "x",
    "cron_expression": "0 2 * * *",
    "end_date": "2026-12-31",
    "pic_team": "ops",
    "target_url": HOOK,
}
NO_TARGET = dict.fromkeys(("target_url", "github_owner", "github_repo", "github_workflow_name"))


def written(*rows: dict[str, str]) -> bytes:
    headers = list(dict.fromkeys(header for row in rows for header in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, headers, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(*rows: dict[str, str], owner: str | None = None) -> tuple[list[JobRow], list[RowError]]:
    return read_jobs(read_table(written(*rows)), owner)


def fields_of(row: dict[str, str], owner: str | None = None) -> dict[str, Any]:
    [job], errors = read(row, owner=owner)
    assert errors == []
    return job.fields


def error_of(row: dict[str, str], owner: str | None = None) -> tuple[str, str]:
    jobs, [error] = read(row, owner=owner)
    assert jobs == []
    return error.title, error.message


def without(*names: str, **cells: str) -> dict[str, str]:
    return {name: cell for name, cell in GOOD.items() if name not in names} | cells


def test_a_row_says_nothing_of_what_its_cells_leave_out() -> None:
    assert fields_of({**GOOD, "category": "", "status": " "}) == {**NO_TARGET, **GOOD}


@pytest.mark.parametrize(
    ("field", "headers"),
    [
        ("name", ["Job Name", "NAME", "job_name"]),
        ("cron_expression", ["Cron Expression", "cron", "Cron schedule (JST)"]),
        ("end_date", ["End Date", "END_DATE"]),
        ("pic_team", ["PIC Team", "pic team slug", "PIC_TEAM_SLUG"]),
        ("target_url", ["Target URL", "url"]),
    ],
)
def test_columns_go_by_several_names(field: str, headers: list[str]) -> None:
    for header in headers:
        assert fields_of(without(field, **{header: GOOD[field]}))[field] == GOOD[field]


def test_of_two_columns_for_one_field_the_first_with_something_in_it_counts() -> None:
    assert fields_of({**GOOD, "Job Name": "y"})["name"] == "y"
    assert fields_of({**GOOD, "Job Name": ""})["name"] == "x"


def test_a_column_in_japanese_time_is_in_japanese_time() -> None:
    row = without("cron_expression", **{"Cron Schedule (JST)": "0 2 * * *"})
    assert fields_of(row)["timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize("missing", ["name", "cron_expression", "end_date", "pic_team"])
def test_what_every_job_needs_must_be_there(missing: str) -> None:
    assert error_of(without(missing)) == ("Missing required fields", f"The row needs {missing}.")


@pytest.mark.parametrize("header", ["Status", "is_active", "Active"])
def test_status_may_be_written_in_many_ways(header: str) -> None:
    for text in ("enable", "Enabled", "ACTIVE", "true", "1", "yes", "on"):
        assert fields_of({**GOOD, header: text})["is_active"] is True
    for text in ("disable", "Disabled", "inactive", "FALSE", "0", "no", "off"):
        assert fields_of({**GOOD, header: text})["is_active"] is False


def test_a_status_that_says_nothing_is_an_error_rather_than_a_guess() -> None:
    assert error_of({**GOOD, "Status": "maybe"})[0] == "Invalid status"


class TestMetadata:
    def test_it_is_the_request_body(self) -> None:
        for header in ("Request Body", "request_body", "metadata"):
            assert fields_of({**GOOD, header: '{"k": [1, null]}'})["metadata"] == {"k": [1, None]}

    def test_the_branch_is_added_unless_the_request_body_names_one(self) -> None:
        assert fields_of({**GOOD, "Branch": "dev"})["metadata"] == {"branchDetails": "dev"}
        body = '{"branchDetails": "main"}'
        row = {**GOOD, "Ref": "dev", "Request Body": body}
        assert fields_of(row)["metadata"] == {"branchDetails": "main"}

    @pytest.mark.parametrize(
        "body", ["not-json", "{", "{'k': 1}", "[" * 50_000, '{"n": ' + "9" * 5_000 + "}"]
    )
    def test_what_is_no_json_is_an_error(self, body: str) -> None:
        title, message = error_of({**GOOD, "Request Body": body})
        assert title == "Invalid JSON in Request Body"
        assert message.startswith("Request Body: ")

    @pytest.mark.parametrize("body", ["[]", "1", "null", '"x"'])
    def test_what_is_no_object_is_an_error(self, body: str) -> None:
        assert error_of({**GOOD, "Request Body": body})[0] == "Invalid Request Body"


class TestGitHub:
    ROW = without("target_url", Repo="octo/repo", **{"Workflow Name": "build.yml"})

    def test_a_repository_may_name_its_owner(self) -> None:
        fields = fields_of(self.ROW, owner="default")
        assert (fields["target_url"], fields["github_repo"]) == (None, "octo/repo")

    def test_an_owner_comes_from_its_column_or_else_is_the_default(self) -> None:
        row = {**self.ROW, "Repo": "repo"}
        assert fields_of(row, owner="default")["github_owner"] == "default"
        assert fields_of({**row, "GitHub Owner": "octo"}, owner="default")["github_owner"] == "octo"

    def test_without_any_owner_the_row_is_an_error(self) -> None:
        assert error_of({**self.ROW, "Repo": "repo"})[0] == "Missing GitHub owner"

    def test_a_default_owner_alone_is_no_target(self) -> None:
        assert fields_of(without("target_url"), owner="default")["github_owner"] is None

    @pytest.mark.parametrize("header", ["Dispatch URL", "github_dispatch_url", "target_url"])
    def test_one_cell_may_name_the_whole_workflow(self, header: str) -> None:
        fields = fields_of({**GOOD, header: "octo/repo/build.yml"}, owner="default")
        expected = (None, "octo", "repo", "build.yml")
        assert tuple(fields[name] for name in NO_TARGET) == expected

    def test_a_dispatch_url_that_is_none_is_an_error(self) -> None:
        assert error_of({**GOOD, "Dispatch URL": "octo/repo"})[0] == "Invalid dispatch_url"

    def test_a_host_without_scheme_is_not_taken_for_an_owner(self) -> None:
        assert fields_of({**GOOD, "target_url": "example.com/a/b"})["target_url"] == "example.com/a/b"


@pytest.mark.parametrize(
    "text",
    [
        "o/r/w.yml",
        "/o/r/w.yml",
        "/o/r/actions/workflows/w.yml",
        "github.com/o/r/actions/workflows/w.yml",
        "https://github.com/o/r/actions/workflows/w.yml?query=branch%3Amain",
        "https://api.github.com/repos/o/r/actions/workflows/w.yml/dispatches",
        "https://git.example.com/api/v3/repos/o/r/actions/workflows/w.yml/dispatches#x",
    ],
)
def test_a_workflow_has_many_addresses(text: str) -> None:
    assert parse_dispatch_url(text) == ("o", "r", "w.yml")


@pytest.mark.parametrize(
    "text", ["", "/", "o/r", "a/b/c/d", "https://example.com/o/r", "https://a/b/c", "://"]
)
def test_other_addresses_are_no_workflow(text: str) -> None:
    assert parse_dispatch_url(text) is None


def test_cells_have_a_limit_and_the_request_body_a_larger_one() -> None:
    assert fields_of({**GOOD, "notes": "ü" * (MAX_CELL_BYTES // 2)})
    assert error_of({**GOOD, "notes": "ü" * (MAX_CELL_BYTES // 2) + "x"})[0] == "Invalid row"
    body = '{"k": "' + "x" * (MAX_REQUEST_BODY_BYTES - len('{"k": ""}')) + '"}'
    assert fields_of({**GOOD, "Request Body": body})
    assert error_of({**GOOD, "Request Body": body + "x"})[0] == "Invalid row"


def test_surplus_cells_are_an_error_of_their_row() -> None:
    content = written(GOOD, {**GOOD, "name": "y"}).replace(b"y,", b"y,,")
    jobs, [error] = read_jobs(read_table(content), None)
    assert [job.name for job in jobs] == ["x"]
    assert (error.row, error.name, error.title) == (3, "y", "Invalid row")


def test_a_name_counts_once_even_if_its_first_row_is_wrong() -> None:
    wrong = without("pic_team", pic_team="")
    jobs, errors = read(wrong, GOOD, {**GOOD, "name": "y"}, {**GOOD, "name": " y "})
    assert [(job.number, job.name) for job in jobs] == [(4, "y")]
    assert [(error.row, error.title) for error in errors] == [
        (2, "Missing required fields"),
        (3, "Duplicate job name in CSV"),
        (5, "Duplicate job name in CSV"),
    ]


def test_a_file_about_something_else_is_refused_as_a_whole() -> None:
    with pytest.raises(InvalidCsv, match="no column"):
        read({"temperature": "20", "pressure": "3"})


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                ["name", "cron", "end date", "pic team", "status", "repo", "dispatch url", "metadata"]
            ),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
            min_size=1,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_each_row_is_a_job_or_an_error(rows: list[dict[str, str]]) -> None:
    table = read_table(written(*rows))
    jobs, errors = read_jobs(table, None)
    numbers = sorted([*(job.number for job in jobs), *(error.row for error in errors)])
    assert numbers == [row.number for row in table.rows]
