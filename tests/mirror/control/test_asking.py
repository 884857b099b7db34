"""mirror.control.asking: a worker asks control to write, and every answer finds who asked."""

import asyncio

import pytest

from mirror.control import asking as asking_module
from mirror.control.asking import Asking
from mirror.control.orders import Fault, Written
from mirror.control.writes import Ask, Mint, Put
from mirror.errors import NotThere, RecordsError, StoreFault, TooOften

Sent = list[Mint | Put | Ask]


async def test_answers_find_who_asked_in_whatever_order_they_come() -> None:
    sent: Sent = []
    asking = Asking(sent.append)
    mint = asyncio.create_task(asking.mint("acme", bytes(32)))
    put = asyncio.create_task(asking.put_thin_snapshot("0" * 16, {"sdk/tool": "1.0"}))
    await asyncio.sleep(0)
    assert sent == [Mint(1, "acme", bytes(32)), Put(2, "0" * 16, {"sdk/tool": "1.0"})]
    asking.written(Written(99))
    asking.written(Written(2))
    asking.written(Written(2))
    asking.written(Written(1, installation="1" * 16))
    assert await mint == "1" * 16
    await put


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("not-there", "no-customer", "There is none."), NotThere),
        (Fault("store", "locked", "It is locked."), StoreFault),
        (Fault("too-often", "too-often", "Wait.", 7), TooOften),
        (Fault("refused", "own-certificate", "It has one."), RecordsError),
    ],
)
async def test_a_fault_is_raised_as_the_store_would(fault: Fault, kind: type[Exception]) -> None:
    asking = Asking(lambda _: None)
    put = asyncio.create_task(asking.put_thin_snapshot("0" * 16, {}))
    await asyncio.sleep(0)
    asking.written(Written(1, fault=fault))
    with pytest.raises(kind) as caught:
        await put
    assert getattr(caught.value, "reason", "") == fault.reason
    assert getattr(caught.value, "seconds", fault.seconds) == fault.seconds


async def test_without_control_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(lambda _: None)
    waiting = asyncio.create_task(asking.mint("acme", bytes(32)))
    await asyncio.sleep(0)
    asking.end()
    with pytest.raises(StoreFault):
        await waiting
    with pytest.raises(StoreFault):
        await asking.mint("acme", bytes(32))
    monkeypatch.setattr(asking_module, "MAX_ASKED", 0)
    with pytest.raises(StoreFault, match="More waits"):
        await Asking(lambda _: None).mint("acme", bytes(32))
