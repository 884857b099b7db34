"""A new certificate is shown to every mirror before the one in use is given up for it."""

from collections.abc import Callable

import pytest

from spot_client.errors import NotReachable, NotTrusted, Refused, SpotError
from spot_client.fetch.proof import prove, show
from spot_client.fetch.transport import Transport
from tests.spot_client.fetch.server import Serve, problem, reply

Dial = Callable[..., Transport]
YES, NO, REVOKED, SUSPENDED, SILENT = (
    reply(body=b"{}"),
    problem("403 Forbidden", "unknown-issuer"),
    problem("403 Forbidden", "revoked"),
    problem("403 Forbidden", "suspended"),
    b"",
)


def proven(serve: Serve, dial: Dial, *answers: bytes, nothing_to_lose: bool = False) -> SpotError | None:
    """What stands in the way, at mirrors that answer so."""
    servers = [serve(lambda _, answer=answer: answer) for answer in answers]
    try:
        prove(dial(*servers), nothing_to_lose=nothing_to_lose)
    except (NotReachable, NotTrusted) as error:
        return error
    assert all(server.asked for server in servers), "each was asked"
    return None


@pytest.mark.parametrize("answers", [(YES,), (YES, YES), (YES, SILENT), (SILENT, YES), (SUSPENDED,)])
def test_one_that_is_taken_wherever_there_is_an_answer_is_good(
    serve: Serve, dial: Dial, answers: tuple[bytes, ...]
) -> None:
    assert proven(serve, dial, *answers) is None


@pytest.mark.parametrize("answers", [(NO,), (YES, NO), (NO, YES), (SILENT, REVOKED)])
def test_one_that_a_mirror_does_not_take_is_not_used(serve: Serve, dial: Dial, answers: tuple[bytes, ...]) -> None:
    """The mirror that takes it may be the one that made it up."""
    found = proven(serve, dial, *answers)
    assert isinstance(found, NotTrusted)
    assert found.reason == "unproven-certificate"


def test_where_the_old_one_is_good_for_nothing_any_mirror_will_do(serve: Serve, dial: Dial) -> None:
    assert proven(serve, dial, NO, YES, nothing_to_lose=True) is None
    found = proven(serve, dial, NO, REVOKED, nothing_to_lose=True)
    assert isinstance(found, NotTrusted)


def test_where_none_answers_nothing_is_proven(serve: Serve, dial: Dial) -> None:
    assert isinstance(proven(serve, dial, SILENT, SILENT), NotReachable)


def test_a_mirror_that_does_not_know_the_installation_neither_proves_nor_refutes(serve: Serve, dial: Dial) -> None:
    stranger = problem("403 Forbidden", "not-your-installation")
    assert proven(serve, dial, stranger, YES) is None
    with pytest.raises(Refused):
        proven(serve, dial, stranger)


def test_what_is_refused_for_other_reasons_says_nothing_of_the_certificate(serve: Serve, dial: Dial) -> None:
    show(dial(serve(lambda _: SUSPENDED)))
    with pytest.raises(Refused):
        show(dial(serve(lambda _: REVOKED)))
