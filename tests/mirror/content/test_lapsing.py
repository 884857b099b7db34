"""A revocation list that nobody signed anew: told of, borne for its grace, then nobody is served. Real processes."""

import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ca.profiles import SERVER
from ca.subjects import Hosts
from mirror.certificates import key_id
from tests.ca.house import House
from tests.mirror.content.rig import Mirror
from tests.mirror.control.processes import logged

DAY = timedelta(days=1)
HEALTH = '[health]\nlisten = "127.0.0.1:0"\n'
LIST = "revocation-list"
PACK = "/releases/sdk/botocore/1.40.0/any/pack"


@pytest.fixture
def stopped(tmp_path: Path, house: House) -> Mirror:
    """A mirror that is ready to be started."""
    mirror = Mirror(tmp_path, house)
    mirror.publish()
    return mirror


def sign(mirror: Mirror, begin: datetime, lifetime: timedelta = 30 * DAY) -> None:
    """A list that was signed then, for so long."""
    mirror.serial_of_crl += 1
    mirror.put_crl(mirror.house.issuing.issuer, [], mirror.serial_of_crl, begin, lifetime)


def told(mirror: Mirror) -> list[tuple[object, str]]:
    """What the log says of revocation lists, each with its level."""
    lines = [(line["level"], str(line["problem"])) for line in logged(mirror, "expiry")]
    return [line for line in lines if line[1].startswith("A revocation list")]


def asked(mirror: Mirror, path: str) -> tuple[int, str]:
    """What the health listener answers."""
    (line, *_) = logged(mirror, "health and metrics")
    asking = HTTPConnection(str(line["address"]), timeout=10)
    asking.request("GET", path)
    with asking.getresponse() as response:
        found = response.status, response.read().decode()
    asking.close()
    return found


def moments(mirror: Mirror) -> dict[str, datetime]:
    """Those of the list, by metric."""
    families = text_string_to_metric_families(asked(mirror, "/metrics")[1])
    samples = [one for family in families for one in family.samples if one.labels.get("kind") == LIST]
    return {
        one.name.removeprefix("spot_mirror_expiry_").removesuffix("timestamp_seconds"): datetime.fromtimestamp(
            one.value, UTC
        )
        for one in samples
    }


def until(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [
        (19, None, ""),
        (21, "warning", "A revocation list lapses on {end}."),
        (31, "error", "A revocation list has lapsed on {end}, and counts until {last}."),
    ],
)
def test_a_list_is_told_of_from_its_20th_day_on_and_counts_for_its_grace(
    stopped: Mirror, days: int, level: str | None, words: str
) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - days * DAY
    end, last = begin + 30 * DAY, begin + 37 * DAY
    sign(stopped, begin)
    with stopped.running(HEALTH):
        assert stopped.caller(stopped.party())(PACK)[0] == 200
        assert asked(stopped, "/readyz")[0] == 200
        assert moments(stopped) == {"begin_": begin, "warning_": begin + 20 * DAY, "": end, "last_": last}
        stopped.until(lambda: level is None or bool(told(stopped)))
        time.sleep(1.5)  # it is looked at each second, and told once a day
        said = words.format(end=until(end), last=until(last))
        expected = [(level, f"{said} Run 'spot-ca crl' and bring the list here.")]
        assert told(stopped) == (expected if level else [])


def test_beyond_its_grace_nobody_is_served_until_a_new_list_comes(stopped: Mirror) -> None:
    sign(stopped, datetime.now(UTC) - 38 * DAY)
    with stopped.running(HEALTH):
        assert stopped.caller(stopped.party()).reason(PACK) == (503, "revocation-unknown")
        assert stopped.caller(stopped.party()).reason("/licences") == (503, "revocation-unknown")
        status, answer = asked(stopped, "/readyz")
        assert (status, "revocation-unknown" in answer) == (503, True)
        stopped.until(lambda: bool(told(stopped)))
        assert ", and counted until " in told(stopped)[0][1]
        sign(stopped, datetime.now(UTC))
        stopped.until(lambda: stopped.caller(stopped.party())(PACK)[0] == 200)
        assert asked(stopped, "/readyz")[0] == 200


def test_without_a_grace_it_ends_at_once_on_an_open_connection_too(stopped: Mirror) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    sign(stopped, end - DAY, DAY)
    with stopped.running(f"crl_grace_days = 0\n{HEALTH}"):
        caller = stopped.caller(stopped.party())
        assert caller(PACK)[0] == 200
        assert moments(stopped)["last_"] == end
        time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 1.1)  # the second in which it ends counts
        assert caller.reason(PACK) == (503, "revocation-unknown")
        assert asked(stopped, "/readyz")[0] == 503
        stopped.until(lambda: len(told(stopped)) == 2)
        assert [level for level, _ in told(stopped)] == ["warning", "error"]
        assert f"has lapsed on {until(end)}." in told(stopped)[1][1]


def test_metrics_tell_of_everything_that_ends(stopped: Mirror) -> None:
    operators = stopped.house.leaf(Hosts("operators", ("localhost",), ("127.0.0.1",)), SERVER)
    operators.files(stopped.folder, "operators")
    named = 'certificate = "operators.crt"\nkey = "operators.key"'
    with stopped.running(f'{HEALTH}[operator]\nlisten = "127.0.0.1:0"\n{named}'):
        families = text_string_to_metric_families(asked(stopped, "/metrics")[1])
        found = {
            (one.name, one.labels["kind"], one.labels["name"])
            for family in families
            for one in family.samples
            if "expiry" in one.name
        }
    issuing = key_id(stopped.house.issuing.certificate).hex()
    roles = ("root", "targets", "snapshot", "timestamp", "halts", "house", "products")
    things = {("catalogue", role) for role in roles}
    things |= {("server-certificate", "server"), ("operator-certificate", "operator")}
    things |= {("issuing-ca", issuing), (LIST, issuing)}
    whole = ("begin_", "warning_", "", "last_")
    assert found == {(f"spot_mirror_expiry_{which}timestamp_seconds", *thing) for which in whole for thing in things}
