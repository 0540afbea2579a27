"""A CSV file as a table: what its text says, before anybody asks what it means."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from shared.errors import RuleViolation

MAX_FILE_BYTES = 2**20
MAX_ROWS = 1_000


class InvalidCsv(RuleViolation):
    """The file as a whole cannot be read; of no row could be said what is wrong with it."""

    title = "Invalid CSV"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """A row that says something."""

    number: int
    """As a spreadsheet counts: the header is row 1, and empty rows count too."""
    cells: dict[str, str]
    """What stands under which folded header, without the blanks around it; empty cells are left out."""
    has_surplus: bool
    """Whether anything stands to the right of the last header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """The rows, and what was left out on the way to them."""

    headers: frozenset[str]
    rows: list[CsvRow]
    original_column_count: int
    original_row_count: int
    removed_column_count: int
    """Columns without a header."""
    removed_empty_row_count: int


def read_table(content: bytes) -> CsvTable:
    """The table of a file: UTF-8 with or without a byte order mark, commas, the first row is the header.

    Raises `InvalidCsv`.
    """
    records = _records(_text(content))
    header = next(records, None)
    if header is None:
        raise InvalidCsv("The file is empty.")
    columns = _columns(header)
    rows: list[CsvRow] = []
    removed = 0
    for number, record in enumerate(records, 2):
        row = _row(number, record, columns, width=len(header))
        if not row.cells and not row.has_surplus:
            removed += 1
        elif len(rows) == MAX_ROWS:
            raise InvalidCsv(f"The file has more than {MAX_ROWS} rows; split it.")
        else:
            rows.append(row)
    return CsvTable(
        headers=frozenset(columns.values()),
        rows=rows,
        original_column_count=len(header),
        original_row_count=len(rows) + removed,
        removed_column_count=len(header) - len(columns),
        removed_empty_row_count=removed,
    )


def folded(header: str) -> str:
    """A header as it is compared: `Job_Name`, `job name` and ` JOB  NAME` are the same."""
    return " ".join(header.replace("_", " ").split()).lower()


def _text(content: bytes) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise InvalidCsv(f"The file must have at most {MAX_FILE_BYTES} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidCsv(f"The file is not UTF-8: byte {error.start} cannot be read.") from error
    if "\0" in text:
        raise InvalidCsv("The file contains NUL; is it UTF-16?")
    return text


def _records(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise InvalidCsv(f"Line {reader.line_num} cannot be read: {error}.") from error


def _columns(header: list[str]) -> dict[int, str]:
    """The places of the columns that have a header."""
    columns = {place: name for place, text in enumerate(header) if (name := folded(text))}
    if not columns:
        raise InvalidCsv("The first row has no column names.")
    seen: set[str] = set()
    for name in columns.values():
        if name in seen:
            raise InvalidCsv(f'Several columns are called "{name}".')
        seen.add(name)
    return columns


def _row(number: int, record: list[str], columns: dict[int, str], width: int) -> CsvRow:
    cells = {
        columns[place]: text
        for place, cell in enumerate(record[:width])
        if place in columns and (text := cell.strip())
    }
    return CsvRow(number=number, cells=cells, has_surplus=any(cell.strip() for cell in record[width:]))
