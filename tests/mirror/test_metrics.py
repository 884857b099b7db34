"""mirror.metrics: what lapses and what a check found, as Prometheus reads it."""

from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from mirror import metrics
from mirror.expiry import Lapse, of_catalogue, of_list, of_server

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)

END = "spot_mirror_expiry_timestamp_seconds"

Samples = dict[tuple[str, ...], float]


def read(raw: bytes) -> Samples:
    """The samples of a text, by metric and the values of its labels."""
    families = text_string_to_metric_families(raw.decode())
    found = [(sample.name, tuple(sample.labels.values()), sample.value) for one in families for sample in one.samples]
    assert len({line[:2] for line in found}) == len(found), "a sample stands there twice: Prometheus takes none"
    return {(name, *labels): value for name, labels, value in found}


def test_each_thing_that_ends_has_its_beginning_its_end_when_it_is_warned_of_and_until_when_it_counts() -> None:
    found = of_catalogue({"root": NOW + 30 * DAY}, lambda _role: 90 * DAY)
    found += [of_server(NOW, NOW + 3 * DAY), of_list(b"\xab", NOW, NOW + 30 * DAY, 7 * DAY)]
    end, warn = END, "spot_mirror_expiry_warning_timestamp_seconds"
    begin, last = "spot_mirror_expiry_begin_timestamp_seconds", "spot_mirror_expiry_last_timestamp_seconds"
    assert read(metrics.exposition(metrics.of_lapses(found))) == {
        (end, "catalogue", "root"): (NOW + 30 * DAY).timestamp(),
        (end, "server-certificate", "server"): (NOW + 3 * DAY).timestamp(),
        (end, "revocation-list", "ab"): (NOW + 30 * DAY).timestamp(),
        (warn, "catalogue", "root"): NOW.timestamp(),
        (warn, "server-certificate", "server"): (NOW + 2 * DAY).timestamp(),
        (warn, "revocation-list", "ab"): (NOW + 20 * DAY).timestamp(),
        (begin, "catalogue", "root"): (NOW - 60 * DAY).timestamp(),
        (begin, "server-certificate", "server"): NOW.timestamp(),
        (begin, "revocation-list", "ab"): NOW.timestamp(),
        (last, "catalogue", "root"): (NOW + 30 * DAY).timestamp(),
        (last, "server-certificate", "server"): (NOW + 3 * DAY).timestamp(),
        (last, "revocation-list", "ab"): (NOW + 37 * DAY).timestamp(),
    }


def test_of_two_things_of_one_name_the_one_that_ends_first_counts() -> None:
    for order in ((1, 2), (2, 1)):
        lists = [Lapse("A list", NOW, NOW + number * DAY, "", "revocation-list", "ab") for number in order]
        found = read(metrics.exposition(metrics.of_lapses(lists)))
        assert found[END, "revocation-list", "ab"] == (NOW + DAY).timestamp()


def test_products_are_not_named_and_the_one_that_ends_first_stands_for_all() -> None:
    ends = {"root": NOW + 9 * DAY, "halts": NOW + 8 * DAY, "acme-tool": NOW + 2 * DAY, "sdk": NOW + 5 * DAY}
    found = read(metrics.exposition(metrics.of_lapses(of_catalogue(ends, lambda _role: 3 * DAY))))
    assert {name: value for (metric, _, name), value in found.items() if metric == END} == {
        "root": (NOW + 9 * DAY).timestamp(),
        "halts": (NOW + 8 * DAY).timestamp(),
        "products": (NOW + 2 * DAY).timestamp(),
    }


def test_licences_are_counted_and_none_is_named() -> None:
    assert read(metrics.exposition(metrics.of_licences({"in-force": 2, "ending": 1}, NOW + DAY))) == {
        ("spot_mirror_licences", "in-force"): 2,
        ("spot_mirror_licences", "ending"): 1,
        ("spot_mirror_licence_end_timestamp_seconds",): (NOW + DAY).timestamp(),
    }
    assert set(read(metrics.exposition(metrics.of_licences({"over": 1}, None)))) == {("spot_mirror_licences", "over")}


def test_what_a_check_found_is_counted_by_its_severity_and_dated() -> None:
    assert read(metrics.exposition(metrics.of_check({"warning": 2, "problem": 0}, NOW))) == {
        ("spot_mirror_check_findings", "warning"): 2,
        ("spot_mirror_check_findings", "problem"): 0,
        ("spot_mirror_check_timestamp_seconds",): NOW.timestamp(),
    }
