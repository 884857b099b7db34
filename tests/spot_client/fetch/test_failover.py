"""A mirror that is not to be believed beside others: who is asked next, who is named, what is put back.

The whole way through a hostile mirror is in tests/hostile/catalogue.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from spot_client.errors import NotLicensed, NotReachable, NotTrusted, OutOfDate, Refused, SpotError
from spot_client.fetch.failover import AnyCatalogue, Mirrors
from spot_client.fetch.transport import Transport
from tests.spot_client.fetch.server import Serve, problem, reply

LIE, OLD, GONE = (
    NotTrusted("bad-target", "Lies."),
    OutOfDate("expired-metadata", "Old."),
    NotReachable("closed", "Gone."),
)
NO, NEVER = Refused("revoked", "No."), NotLicensed("not-licensed", "Never.")

Dial = Callable[..., Transport]


def attempt(answers: dict[str, SpotError], asked: list[Sequence[str]]) -> Callable[[Transport], str]:
    """Answers as its mirrors do; a transport of several fails as the first that does."""

    def ask(transport: Transport) -> str:
        urls = [url for url, _ in transport.alone()]
        asked.append(urls)
        for url in urls:
            if url in answers:
                raise answers[url]
        return urls[0]

    return ask


@pytest.fixture
def three(serve: Serve, dial: Dial) -> Transport:
    return dial(*(serve(lambda _: reply()) for _ in range(3)))


def test_a_mirror_that_lies_is_named_once_and_the_one_that_does_not_serves_the_rest(three: Transport) -> None:
    first, second, third = (url for url, _ in three.alone())
    told: list[str] = []
    asked: list[Sequence[str]] = []
    mirrors = Mirrors(three, told.append)
    ask = attempt({first: LIE, second: OLD}, asked)
    assert [mirrors.ask(ask), mirrors.ask(ask)] == [third, third]
    assert asked == [[first, second, third], [first], [second], [third], [third]]
    assert [(first in told[0], "damaged or hostile (bad-target)" in told[0])] == [(True, True)]
    assert [(second in told[1], "behind or damaged (expired-metadata)" in told[1])] == [(True, True)]
    assert len(told) == 2


def test_a_mirror_that_is_silent_is_passed_over_and_not_named(three: Transport) -> None:
    first, second, third = (url for url, _ in three.alone())
    told: list[str] = []
    assert Mirrors(three, told.append).ask(attempt({first: LIE, second: GONE}, [])) == third
    assert [first in sentence for sentence in told] == [True]


def test_if_none_does_better_the_first_answer_is_what_is_said_and_nobody_is_named(three: Transport) -> None:
    told: list[str] = []
    urls = [url for url, _ in three.alone()]
    with pytest.raises(NotTrusted) as failed:
        Mirrors(three, told.append).ask(attempt(dict(zip(urls, (LIE, OLD, GONE), strict=True)), []))
    assert failed.value is LIE
    assert told == []


def test_what_is_out_of_reach_is_not_asked_of_each_alone(three: Transport) -> None:
    asked: list[Sequence[str]] = []
    with pytest.raises(NotReachable):
        Mirrors(three, lambda _: None).ask(attempt({three.alone()[0][0]: GONE}, asked))
    assert len(asked) == 1


def test_a_mirror_that_refuses_what_another_gives_is_named_as_that(three: Transport) -> None:
    first, second, third = (url for url, _ in three.alone())
    told: list[str] = []
    assert Mirrors(three, told.append).ask(attempt({first: NO, second: NEVER}, [])) == third
    assert [(first in told[0], "refuses what another one gives (revoked)" in told[0])] == [(True, True)]
    assert [(second in told[1], "refuses what another one gives (not-licensed)" in told[1])] == [(True, True)]


def test_what_all_refuse_is_refused_and_nobody_is_named(three: Transport) -> None:
    told: list[str] = []
    asked: list[Sequence[str]] = []
    with pytest.raises(NotLicensed) as failed:
        Mirrors(three, told.append).ask(attempt({url: NEVER for url, _ in three.alone()}, asked))
    assert failed.value is NEVER
    assert (told, len(asked)) == ([], 4)


@pytest.mark.parametrize("fault", [LIE, NO, GONE])
def test_the_mirror_that_did_better_and_fails_later_gives_way_to_the_next(three: Transport, fault: SpotError) -> None:
    first, second, third = (url for url, _ in three.alone())
    told: list[str] = []
    asked: list[Sequence[str]] = []
    mirrors = Mirrors(three, told.append)
    assert mirrors.ask(attempt({first: LIE}, asked)) == second
    asked.clear()
    assert mirrors.ask(attempt({second: fault}, asked)) == third
    assert asked == [[second], [third]]
    assert [second in sentence for sentence in told] == ([False] if fault is GONE else [False, True])


def test_a_mirror_that_was_found_out_is_not_asked_again(three: Transport) -> None:
    first, second, third = (url for url, _ in three.alone())
    asked: list[Sequence[str]] = []
    mirrors = Mirrors(three, lambda _: None)
    mirrors.ask(attempt({first: LIE, second: LIE}, asked))
    asked.clear()
    with pytest.raises(NotTrusted):
        mirrors.ask(attempt({third: LIE}, asked))
    assert asked == [[third]]


def test_of_one_mirror_everything_is_said_as_it_is(serve: Serve, dial: Dial) -> None:
    alone = dial(serve(lambda _: reply()))
    asked: list[Sequence[str]] = []
    for fault in (LIE, NO, GONE):
        with pytest.raises(type(fault)):
            Mirrors(alone, lambda _: None).ask(attempt({alone.alone()[0][0]: fault}, asked))
    assert len(asked) == 3


class Shown:
    """A catalogue that brings a timestamp into the folder, and then fails or not; it never has a target."""

    def __init__(self, folder: Path, version: str, fault: SpotError | None = None) -> None:
        self._file, self._version, self._fault = folder / "timestamp.json", version, fault
        self.found = ""

    def refresh(self) -> None:
        self.found = self._file.read_text()
        self._file.write_text(self._version)
        if self._fault:
            raise self._fault

    def target(self, path: str, *, max_bytes: int) -> bytes | None:
        _ = path, max_bytes
        raise LIE

    def listing(self, product: str) -> tuple[str, ...]:
        _ = product
        raise LIE


def test_what_a_mirror_has_not_shown_whole_is_put_back_before_the_next_is_asked(
    three: Transport, tmp_path: Path
) -> None:
    (tmp_path / "timestamp.json").write_text("0")
    shown = [Shown(tmp_path, "9", LIE), Shown(tmp_path, "9", NO), Shown(tmp_path, "1")]
    left = list(shown)
    AnyCatalogue(Mirrors(three, lambda _: None), tmp_path, lambda _: left.pop(0)).refresh()
    assert [one.found for one in shown] == ["0", "0", "0"]
    assert (tmp_path / "timestamp.json").read_text() == "1"


def test_the_next_mirror_is_held_to_what_the_last_has_shown_whole(three: Transport, tmp_path: Path) -> None:
    (tmp_path / "timestamp.json").write_text("0")
    shown = [Shown(tmp_path, "1"), Shown(tmp_path, "1"), Shown(tmp_path, "9", LIE), Shown(tmp_path, "2")]
    left = list(shown)
    catalogue = AnyCatalogue(Mirrors(three, lambda _: None), tmp_path, lambda _: left.pop(0))
    catalogue.refresh()
    with pytest.raises(NotTrusted):
        catalogue.target("sdk/tool/index.json.zst", max_bytes=1)
    assert [one.found for one in shown] == ["0", "1", "1", "1"]


def test_what_is_put_goes_to_the_mirror_that_did_better_and_to_nobody_who_was_found_out(
    serve: Serve, dial: Dial
) -> None:
    bad, good = serve(lambda _: reply("204 No Content")), serve(lambda _: reply("204 No Content"))
    transport = dial(bad, good)
    mirrors = Mirrors(transport, lambda _: None)
    mirrors.ask(attempt({transport.alone()[0][0]: LIE}, []))
    mirrors.put("/x", b"{}")
    assert ([one.method for one in bad.asked], [one.method for one in good.asked]) == ([], ["PUT"])


def test_what_one_refuses_to_take_is_put_to_another(serve: Serve, dial: Dial) -> None:
    bad, good = serve(lambda _: problem("403 Forbidden", "revoked")), serve(lambda _: reply("204 No Content"))
    told: list[str] = []
    Mirrors(dial(bad, good), told.append).put("/x", b"{}")
    assert [one.body for one in good.asked] == [b"{}"]
    assert "(revoked)" in told[0]
