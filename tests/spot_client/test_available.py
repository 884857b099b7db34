"""What is on offer altogether, and a mirror that answers the question for it with anything at all."""

import json
from collections.abc import Callable

import pytest

from spot_client.wire.index import Severity
from spot_client.wire.licences import MAX_BYTES
from tests.spot_client.desk import TWO, Desk, licences
from tests.spot_client.fetch.server import problem, reply
from tests.spot_client.installation import TOOL


def test_all_components_of_all_licensed_products_are_listed(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.publish({"x": b"1"}, "0.9", "science/maths", severity=Severity.SECURITY)
    desk.vendor.publish({"x": b"1"}, "1.0", "science/beta", channels=("beta",))
    desk.vendor.publish({"x": b"1"}, "1.0", "secret/thing")
    desk.licences = licences("science", "sdk")
    desk.says("install", TOOL)
    lines = [line.split() for line in desk.says("list", "--available").splitlines()]
    assert [" ".join(line) for line in lines] == [
        "COMPONENT INSTALLED ON OFFER SEVERITY PUBLISHED NOTE",
        "science/beta - - - - 1.0 is offered in beta, not in stable",
        "science/maths - 0.9 security 2026-01-01",
        f"{TOOL} 1.0 1.0 - - 1.0 is the newest on offer",
    ]
    desk.vendor.publish(TWO, "2.0")
    found = {one["component"]: one for one in desk.reads("list", "--available")}
    assert sorted(found) == ["science/beta", "science/maths", TOOL]
    assert found[TOOL]["action"] == "update"
    assert found[TOOL]["release"]["version"] == "2.0"
    assert found["science/beta"]["why"] == "other-channel"


def test_a_licence_that_has_ended_hides_its_product_only(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.publish({"x": b"1"}, "1.0", "science/maths")
    desk.licences = licences("science", "sdk")
    role = next(path for path in reversed(desk.vendor.files) if path.endswith(".science.json"))
    desk.refusal = (role, problem("403 Forbidden", "not-licensed"))
    assert [one["component"] for one in desk.reads("list", "--available")] == [TOOL]


def test_without_any_licence_the_next_step_is_told(enrolled: Desk) -> None:
    desk = enrolled
    desk.licences = licences()
    assert "ask your vendor for a licence" in desk.says("list", "--available")
    assert desk.reads("list", "--available") == []


def test_a_target_of_another_kind_is_passed_over(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.repository.offer("sdk", "sdk/tool/other.json", b"x")
    desk.vendor.repository.offer("sdk", "sdk/Bad Name/index.json.zst", b"x")
    desk.vendor.repository.sign()
    desk.vendor.lay_out()
    assert [one["component"] for one in desk.reads("list", "--available")] == [TOOL]


def changed(**fields: object) -> bytes:
    whole = json.loads(licences("sdk"))
    whole["licences"][0].update(fields)
    return json.dumps(whole, separators=(",", ":"), sort_keys=True).encode()


HOSTILE = {
    "nothing": b"",
    "no JSON": b"<html>",
    "another shape": b"[]",
    "NaN": licences("sdk").replace(b'"installations":9', b'"installations":NaN'),
    "a number without end": licences("sdk").replace(b'"installations":9', b'"installations":1' + b"0" * 5000),
    "a fraction": licences("sdk").replace(b'"installations":9', b'"installations":9.0'),
    "nesting": b"[" * 100_000,
    "nesting of objects": b'{"a":' * 40_000,
    "a key twice": licences("sdk").replace(b'"customer":', b'"customer":"acme","customer":'),
    "a lone surrogate": licences("sdk").replace(b"acme", b"\\ud800"),
    "bytes that are no text": b"\xff\xfe" + licences("sdk"),
    "blanks": licences("sdk") + b" ",
    "a product that leads elsewhere": changed(product="../../etc"),
    "a reserved product": changed(product="root"),
    "no product": changed(product=""),
    "a day of no calendar": changed(valid_from="2026-02-31"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_list_of_licences_that_is_none_is_not_trusted(enrolled: Desk, what: str) -> None:
    enrolled.licences = HOSTILE[what]
    code, said = enrolled.fails("list", "--available")
    assert code == 3
    assert "The mirror's list of licences" in said


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda: reply(body=b" " * (MAX_BYTES + 1)), 4),
        (lambda: reply(body=licences("sdk"), Content_Length=str(2**60), Connection="close"), 4),
        (lambda: b"", 4),
        (lambda: b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\nConnection: close\r\n\r\n", 3),
        (lambda: reply("302 Found", Location="https://elsewhere.example.com/"), 4),
        (lambda: problem("403 Forbidden", "revoked"), 12),
        (lambda: reply(body=licences("sdk").replace(b'"format":1', b'"format":2')), 6),
    ],
    ids=["too long", "breaks off", "no answer", "negative", "elsewhere", "revoked", "too new"],
)
def test_any_other_answer_is_one_sentence_too(enrolled: Desk, answer: Callable[[], bytes], code: int) -> None:
    enrolled.refusal = ("/licences", answer())
    assert enrolled.fails("list", "--available")[0] == code
