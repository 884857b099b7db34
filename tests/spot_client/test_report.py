"""What SPOT tells: plain lines for logs and pipes, bars on a terminal."""

import io
import logging
import sys

import pytest

from spot_client.report import PlainReport, TerminalReport, for_stream
from spot_client.update import Report
from spot_client.wording import mib


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (2**10, "1.0 KiB"),
        (2**20 - 1, "1024.0 KiB"),
        (2**20, "1.0 MiB"),
        (5 * 2**30, "5120.0 MiB"),
    ],
)
def test_a_number_of_bytes_for_people(number: int, text: str) -> None:
    assert mib(number) == text


def play(report: Report, *, fetch: int = 2048, write: int = 4096) -> None:
    progress = report.begin("sdk/tool: Installing 1.0", fetch=fetch, write=write)
    for _ in range(2):
        progress.fetched(fetch // 2)
        progress.written(write // 2)
    progress.spoiled("/root/file")
    report.end()
    report.warn("Something.")


def test_plain_lines_have_a_beginning_and_an_end_and_warnings_apart(capsys: pytest.CaptureFixture[str]) -> None:
    play(PlainReport())
    said = capsys.readouterr()
    assert said.out == "sdk/tool: Installing 1.0 (2.0 KiB to fetch, 4.0 KiB to write)\n  fetched 2.0 KiB\n"
    assert said.err == (
        "spot: /root/file is damaged: it is not used, and its content is taken from elsewhere.\nspot: Something.\n"
    )


def test_a_change_that_fetches_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    PlainReport().begin("Going back", fetch=0, write=0)
    assert capsys.readouterr().out == "Going back (kept here, whole)\n"


def test_a_second_change_counts_anew(capsys: pytest.CaptureFixture[str]) -> None:
    report = PlainReport()
    play(report)
    play(report)
    assert capsys.readouterr().out.count("  fetched 2.0 KiB\n") == 2


def test_a_quiet_report_warns_and_logs_and_says_nothing(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    report = PlainReport(quiet=True)
    with caplog.at_level(logging.INFO, "spot_client"):
        play(report)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("spot: Something.\n")
    assert [record.message for record in caplog.records] == [
        "sdk/tool: Installing 1.0 (2.0 KiB to fetch, 4.0 KiB to write)",
        "/root/file is damaged: it is not used, and its content is taken from elsewhere.",
        "fetched 2.0 KiB",
        "Something.",
    ]


def test_a_terminal_does_not_obey_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    report = PlainReport()
    report.say("\x1b[2Jsaid")
    report.warn("\x07warned\r")
    said = capsys.readouterr()
    assert (said.out, said.err) == (" [2Jsaid\n", "spot:  warned \n")


@pytest.mark.parametrize("way", [{"quiet": True}, {"plain": True}])
def test_who_wants_it_quiet_or_plain_gets_no_bars(monkeypatch: pytest.MonkeyPatch, way: dict[str, bool]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert type(for_stream(**way)) is PlainReport


def test_a_change_that_has_begun_is_remembered() -> None:
    report = PlainReport(quiet=True)
    assert not report.begun
    play(report)
    assert report.begun


@pytest.mark.parametrize(("fetch", "write"), [(2048, 4096), (0, 0)])
def test_bars_end_with_their_change(capsys: pytest.CaptureFixture[str], fetch: int, write: int) -> None:
    report = TerminalReport()
    play(report, fetch=fetch, write=write)
    play(report, fetch=fetch, write=write)
    said = capsys.readouterr()
    assert said.out.count("sdk/tool: Installing 1.0\n") == 2
    assert "Something." in said.err


def test_there_are_bars_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(for_stream()) is PlainReport

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    assert type(for_stream()) is TerminalReport
