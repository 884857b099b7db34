"""A hostile mirror beside a good one: SPOT gets the update from the good one, and says which one lies."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.hostile.catalogue import guards
from tests.hostile.catalogue.stage import Stage, dated, drip
from tests.hostile.catalogue.table import attack
from tests.hostile.catalogue.versions import let_expire
from tests.spot_client.fetch.server import Asked, problem, reply
from tests.spot_client.vendor import DAY

BESIDE = "a lying mirror beside a good one"
FAR = 10**6


@attack(
    BESIDE, "It serves an older catalogue.", guard=guards.OTHER_MIRROR, updated=True, warned="bad-metadata", beside=True
)
def beside_older_catalogue(stage: Stage) -> Iterator[None]:
    stage.meet()
    stage.shown = stage.older.files
    yield


@attack(
    BESIDE,
    "It serves a catalogue that has expired.",
    guard=guards.OTHER_MIRROR,
    updated=True,
    warned="expired-metadata",
    beside=True,
)
def beside_expired_catalogue(stage: Stage) -> Iterator[None]:
    let_expire(stage, stage.repository.timestamp)
    stage.repository.sign()
    stage.vendor.lay_out()
    yield


@attack(
    BESIDE,
    "It serves a timestamp with a bad signature.",
    guard=guards.OTHER_MIRROR,
    updated=True,
    warned="bad-metadata",
    beside=True,
)
def beside_bad_signature(stage: Stage) -> Iterator[None]:
    stage.replace("/timestamp.json", lambda raw: raw.replace(b'"sig":"', b'"sig":"00'))
    yield


@attack(
    BESIDE,
    "It serves a role of the product with a bad signature.",
    guard=guards.OTHER_MIRROR,
    updated=True,
    warned="bad-metadata",
    beside=True,
)
def beside_bad_role(stage: Stage) -> Iterator[None]:
    stage.replace(".sdk.json", lambda raw: raw[: len(raw) // 2])
    yield


@attack(BESIDE, "It serves another index.", guard=guards.OTHER_MIRROR, updated=True, warned="bad-target", beside=True)
def beside_other_index(stage: Stage) -> Iterator[None]:
    stage.replace(".index.json.zst", lambda raw: raw[::-1])
    yield


@attack(
    BESIDE, "It serves another manifest.", guard=guards.OTHER_MIRROR, updated=True, warned="wrong-digest", beside=True
)
def beside_other_manifest(stage: Stage) -> Iterator[None]:
    stage.replace("/1.1/any/manifest", lambda raw: raw[::-1])
    yield


@attack(BESIDE, "It serves other blocks.", guard=guards.OTHER_MIRROR, updated=True, warned="bad-block", beside=True)
def beside_other_blocks(stage: Stage) -> Iterator[None]:
    stage.replace("/1.1/any/pack", lambda raw: raw[::-1])
    yield


@attack(
    BESIDE,
    "With the timestamp's key it signs a version far ahead, and serves nothing that goes with it.",
    guard=guards.PUT_BACK, updated=True, warned="bad-metadata", beside=True,
)  # fmt: skip
def beside_fast_forward(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("timestamp")
    repository.timestamp.version = FAR
    repository.timestamp.snapshot_meta.hashes = {"sha256": "0" * 64}
    repository._sign("timestamp", repository.timestamp)
    thief.lay_out()
    yield


@attack(
    BESIDE,
    "It has the newest catalogue and keeps the index back, and the other one shows an older catalogue.",
    guard=guards.HELD_WITHIN_A_RUN,
    stopped="withheld",
    beside=True,
)
def beside_one_that_is_behind(stage: Stage) -> Iterator[None]:
    _keep_back(stage, ".index.json.zst")
    good, files = stage.mirrors[1].behave, stage.older.files

    def behind(asked: Asked) -> bytes:
        return reply(body=files[asked.path]) if asked.path in files else problem("404 Not Found", "not-found")

    stage.mirrors[1].behave = behind
    yield
    stage.mirrors[1].behave = good


@attack(BESIDE, "It answers nothing.", guard=guards.NEXT_MIRROR, updated=True, beside=True)
def beside_silence(stage: Stage) -> Iterator[None]:
    stage.answer = lambda _: b""
    yield


@attack(BESIDE, "It answers with errors.", guard=guards.NEXT_MIRROR, updated=True, beside=True)
def beside_errors(stage: Stage) -> Iterator[None]:
    stage.answer = lambda _: reply("503 Service Unavailable")
    yield


@attack(
    BESIDE,
    "It gives blocks as slowly as is borne of the only mirror there is.",
    guard=guards.NOT_HELD,
    updated=True,
    beside=True,
)
def beside_drip_feed(stage: Stage) -> Iterator[None]:
    settings = stage.root / "spot.toml"
    settings.write_text("timeout = 1\nmin_rate = 16\ndownloads = 1\n")
    stage.answer = lambda asked: drip(stage.behave(asked)) if asked.path.endswith("/1.1/any/pack") else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spot_client.compose.WINDOW", 0.5)
        yield
    assert [asked for asked in stage.mirrors[1].asked if asked.path.endswith("/1.1/any/pack")]
    settings.unlink()


@attack(
    BESIDE, "It says that it has no timestamp.", guard=guards.HANDED_OUT, updated=True, warned="withheld", beside=True
)
def beside_no_timestamp(stage: Stage) -> Iterator[None]:
    _keep_back(stage, "/timestamp.json")
    yield


@attack(
    BESIDE,
    "It says that it has no snapshot, which the timestamp names.",
    guard=guards.HANDED_OUT,
    updated=True,
    warned="withheld",
    beside=True,
)
def beside_no_snapshot(stage: Stage) -> Iterator[None]:
    _keep_back(stage, ".snapshot.json")
    yield


@attack(
    BESIDE,
    "It says that it has no role of the product, which the snapshot names.",
    guard=guards.HANDED_OUT,
    updated=True,
    warned="withheld",
    beside=True,
)
def beside_no_role(stage: Stage) -> Iterator[None]:
    _keep_back(stage, ".sdk.json")
    yield


@attack(
    BESIDE,
    "It says that it has no index, which the product's role names.",
    guard=guards.HANDED_OUT,
    updated=True,
    warned="withheld",
    beside=True,
)
def beside_no_index(stage: Stage) -> Iterator[None]:
    _keep_back(stage, ".index.json.zst")
    yield


@attack(
    BESIDE,
    "It says that it has no manifest, which the index names.",
    guard=guards.HANDED_OUT,
    updated=True,
    warned="withheld",
    beside=True,
)
def beside_no_manifest(stage: Stage) -> Iterator[None]:
    _keep_back(stage, "/1.1/any/manifest")
    yield


@attack(
    BESIDE,
    "It says that it has no blocks, which the manifest names.",
    guard=guards.HANDED_OUT,
    updated=True,
    warned="withheld",
    beside=True,
)
def beside_no_blocks(stage: Stage) -> Iterator[None]:
    _keep_back(stage, "/1.1/any/pack")
    yield


@attack(
    BESIDE,
    "It says that the certificate was revoked, whatever it is asked for.",
    guard=guards.REFUSED_BY_ONE,
    updated=True,
    warned="revoked",
    beside=True,
)
def beside_revoked(stage: Stage) -> Iterator[None]:
    stage.answer = lambda _: problem("403 Forbidden", "revoked")
    yield


@attack(
    BESIDE,
    "It says that there is no licence for the product.",
    guard=guards.REFUSED_BY_ONE,
    updated=True,
    warned="not-licensed",
    beside=True,
)
def beside_no_licence(stage: Stage) -> Iterator[None]:
    stage.say(".sdk.json", lambda _: problem("403 Forbidden", "not-licensed"))
    yield


@attack(
    BESIDE,
    "It says that what was asked for is gone, in words of its own.",
    guard=guards.NEXT_MIRROR,
    updated=True,
    beside=True,
)
def beside_gone(stage: Stage) -> Iterator[None]:
    stage.answer = lambda _: reply("410 Gone", b"gone")
    yield


@attack(
    BESIDE,
    "It says that it is another day, where SPOT has to know what time it is.",
    guard=guards.OTHER_MIRROR,
    updated=True,
    warned="clock-wrong",
    beside=True,
    command=("update", "--reset-clock"),
)
def beside_another_day(stage: Stage) -> Iterator[None]:
    stage.answer = lambda asked: dated(stage.behave(asked), datetime.now(UTC) + 2 * DAY)
    good = stage.mirrors[1].behave
    stage.mirrors[1].behave = lambda asked: dated(bytes(good(asked)), datetime.now(UTC))  # type: ignore[arg-type]
    yield
    stage.mirrors[1].behave = good


@attack(
    BESIDE,
    "It refuses to give a new installation its id.",
    guard=guards.REFUSED_BY_ONE,
    warned="revoked",
    beside=True,
    command=("enrol", "{folder}/acme.bundle"),
)
def beside_refused_enrolment(stage: Stage) -> Iterator[None]:
    (stage.root / ".spot/identity.json").unlink()
    stage.answer = lambda _: problem("403 Forbidden", "revoked")
    yield


@attack(
    BESIDE,
    "It lies, and would swallow what SPOT tells of its versions: the good one is told.",
    guard=guards.NEVER_TO_A_LIAR,
    updated=True,
    warned="bad-metadata",
    beside=True,
)
def beside_swallowed_thin_snapshot(stage: Stage) -> Iterator[None]:
    stage.replace("/timestamp.json", lambda raw: raw.replace(b'"sig":"', b'"sig":"00'))
    for mirror in stage.mirrors:
        mirror.asked.clear()
    yield
    told = [any(asked.method == "PUT" for asked in mirror.asked) for mirror in stage.mirrors]
    assert told == [False, True]


def _keep_back(stage: Stage, ending: str) -> None:
    stage.say(ending, lambda _: problem("404 Not Found", "not-found"))
