"""What a CSV file's text says: headers, rows, and what is left out."""

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.csv_table import MAX_FILE_BYTES, MAX_ROWS, InvalidCsv, folded, read_table

BOM = b"\xef\xbb\xbf"
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def cells_of(content: bytes) -> list[dict[str, str]]:
    return [row.cells for row in read_table(content).rows]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", BOM])
def test_any_line_ends_and_a_byte_order_mark_are_read(mark: bytes, newline: str) -> None:
    content = mark + newline.join(["Name,Größe", "x,ü", ""]).encode()
    assert cells_of(content) == [{"name": "x", "größe": "ü"}]


def test_headers_are_compared_without_case_blanks_and_underscores() -> None:
    assert {folded(text) for text in ("Job_Name", " JOB  NAME ", "job name")} == {"job name"}


def test_quoted_cells_hold_commas_quotes_and_line_ends() -> None:
    [row] = cells_of(b'a,b\r\n"1,\r\n2","say ""hi"""\r\n')
    assert row == {"a": "1,\r\n2", "b": 'say "hi"'}


def test_columns_without_header_and_empty_rows_are_left_out_and_counted() -> None:
    table = read_table(b"a,,b,\n1,dropped,2,\n,,,\n\n , ,\t,\n3,,,dropped\n")
    assert [row.cells for row in table.rows] == [{"a": "1", "b": "2"}, {"a": "3"}]
    assert (table.original_column_count, table.removed_column_count) == (4, 2)
    assert (table.original_row_count, table.removed_empty_row_count) == (5, 3)


def test_rows_are_numbered_as_in_the_file() -> None:
    assert [row.number for row in read_table(b'a\n\n"1\n1"\n\n2\n').rows] == [3, 5]


def test_missing_cells_are_empty_and_surplus_ones_are_told() -> None:
    table = read_table(b"a,b\n1\n1,2,\n1,2,3\n,,3\n")
    assert [row.cells for row in table.rows] == [{"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, {}]
    assert [row.has_surplus for row in table.rows] == [False, False, True, True]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (BOM, "is empty"),
        (b"\n", "no column names"),
        (b" , ,\n1,2,3\n", "no column names"),
        (b"name,NAME\n", 'called "name"'),
        (b"end date,End_Date\n", 'called "end date"'),
        (b"name\nx\0y\n", "NUL"),
        ("name\nx\n".encode("utf-16"), "UTF-8"),
        ("name\nx\n".encode("utf-16-le"), "NUL"),
        ("name\nü\n".encode("latin-1"), "byte 5"),
        (b'name\n"never closed\n', "cannot be read"),
        (b'name\n"closed"too early\n', "Line 2"),
        (b"name\n" + b"x" * 200_000, "field larger than field limit"),
        (b"x" * (MAX_FILE_BYTES + 1), f"at most {MAX_FILE_BYTES} bytes"),
        (b"name\n" + b"x\n" * (MAX_ROWS + 1), f"more than {MAX_ROWS} rows"),
    ],
)
def test_what_is_no_table_is_refused_as_a_whole(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidCsv, match=reason):
        read_table(content)


def test_the_largest_table_is_read_and_empty_rows_do_not_count() -> None:
    assert len(read_table(b"name\n" + b"\nx\n" * MAX_ROWS).rows) == MAX_ROWS


@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=5))
def test_whatever_a_spreadsheet_writes_is_read_back(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c", "d"], *rows])
    expected = [
        {name: cell.strip() for name, cell in zip("abcd", row, strict=False) if cell.strip()} for row in rows
    ]
    table = read_table(written.getvalue().encode())
    assert [row.cells for row in table.rows] == [cells for cells in expected if cells]
    assert table.original_row_count == len(rows)


@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused(content: bytes) -> None:
    with suppress(InvalidCsv):
        table = read_table(content)
        assert len(table.rows) + table.removed_empty_row_count == table.original_row_count
