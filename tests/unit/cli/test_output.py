import os
import select
from pathlib import Path

from services.cli.output import WAITING_LINES, LineSplitter, Output


class TestLineSplitter:
    def test_a_line_comes_out_when_it_is_complete(self) -> None:
        splitter = LineSplitter()
        assert list(splitter.feed(b"on")) == []
        assert list(splitter.feed(b"e\ntwo\r\n\nthr")) == [b"one", b"two", b""]
        assert list(splitter.end()) == [b"thr"]
        assert list(splitter.end()) == []

    def test_an_overlong_line_comes_in_pieces_whether_it_has_ended_or_not(self) -> None:
        splitter = LineSplitter(limit=4)
        assert list(splitter.feed(b"aaaabb\ncccc")) == [b"aaaa \\", b"bb"]
        assert list(splitter.feed(b"d")) == [b"cccc \\"]
        assert list(splitter.end()) == [b"d"]


class TestOutput:
    def test_names_have_one_width_and_no_colour_in_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "out"
        with path.open("wb") as file:
            output = Output(["a", "long"], descriptor=file.fileno())
            output.line("a", "one")
            output.line("long", b"\xff")
            output.close(30.0)
        assert path.read_bytes() == b"a    | one\nlong | \xff\n"

    def test_names_are_coloured_where_that_is_wanted(self, tmp_path: Path) -> None:
        path = tmp_path / "out"
        with path.open("wb") as file:
            output = Output(["a"], descriptor=file.fileno(), colour=True)
            output.line("a", "one")
            output.close(30.0)
        assert path.read_bytes() == b"\x1b[36ma |\x1b[0m one\n"

    def test_a_reader_that_stands_still_costs_lines_and_never_waits(self) -> None:
        reading, writing = os.pipe()
        output = Output(["a"], descriptor=writing)
        try:
            for _ in range(WAITING_LINES * 2):
                output.line("a", b"x" * 1_000)  # far more than the pipe and the queue hold
            while select.select([reading], [], [], 0.5)[0]:
                os.read(reading, 2**20)
            output.line("a", "after")
            output.close(30.0)
            text = os.read(reading, 2**20)
        finally:
            os.close(writing)
            os.close(reading)
        assert b"lines dropped)\na | after\n" in text

    def test_a_reader_that_went_away_is_no_reason_to_fail(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        output = Output(["a"], descriptor=writing)
        output.line("a", "one")
        output.line("a", "two")
        output.close(30.0)
        os.close(writing)
