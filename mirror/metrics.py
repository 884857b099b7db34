"""What there is to measure of a mirror, in the words of Prometheus. Pure: values in, samples or text out.

`spot-mirror check --metrics` writes them to a file for the node exporter's textfile collector.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mirror.expiry import Lapse
from spot_client.wire.names import RESERVED_PRODUCTS

_LABELS: Final = ("kind", "name")
_PRODUCTS: Final = "products"
_OF_LAPSES: Final = (
    ("spot_mirror_expiry_begin_timestamp_seconds", "Since when it holds; of the catalogue, by its lifetimes."),
    ("spot_mirror_expiry_warning_timestamp_seconds", "From when on it should be renewed."),
    ("spot_mirror_expiry_timestamp_seconds", "When it lapses."),
    ("spot_mirror_expiry_last_timestamp_seconds", "Until when it counts, its grace included."),
)


def of_lapses(lapses: Iterable[Lapse]) -> list[Metric]:
    """Since when things hold, from when on it is warned of their end, when they end, and until when they count; of two
    with the same names, those of the one that ends first.

    The roles of all products have one name: what is licensed to whom is nobody's business who looks after a host.
    """
    families = [GaugeMetricFamily(name, told, labels=_LABELS) for name, told in _OF_LAPSES]
    for (kind, name), lapse in sorted(
        {(one.kind, _name(one)): one for one in sorted(lapses, key=_latest_first)}.items()
    ):
        for family, moment in zip(families, (lapse.begin, lapse.warn, lapse.end, lapse.last), strict=True):
            family.add_metric((kind, name), moment.timestamp())
    return [*families]


def of_check(findings: Mapping[str, int], now: datetime) -> list[Metric]:
    """What a check found: how many findings of each severity, and when."""
    counts = GaugeMetricFamily("spot_mirror_check_findings", "What spot-mirror check found.", labels=["severity"])
    for severity, count in findings.items():
        counts.add_metric([severity], count)
    return [counts, GaugeMetricFamily("spot_mirror_check_timestamp_seconds", "When it was looked.", now.timestamp())]


def of_scrub(ended: datetime, findings: int) -> list[Metric]:
    """When all that is on offer was read last, and how much of it was damaged or missing."""
    return [
        GaugeMetricFamily("spot_mirror_scrub_findings", "What the last scrub found.", findings),
        GaugeMetricFamily("spot_mirror_scrub_timestamp_seconds", "When the last scrub ended.", ended.timestamp()),
    ]


def of_licences(counts: Mapping[str, int], next_end: datetime | None) -> list[Metric]:
    """How many licences there are by state, and when the next one in force ends. Nobody's is named."""
    licences = GaugeMetricFamily("spot_mirror_licences", "Licences.", labels=["state"])
    for state, count in counts.items():
        licences.add_metric([state], count)
    end = GaugeMetricFamily("spot_mirror_licence_end_timestamp_seconds", "When the next licence in force ends.")
    if next_end is not None:
        end.add_metric([], next_end.timestamp())
    return [licences, end]


def exposition(metrics: Iterable[Metric]) -> bytes:
    """The text that Prometheus reads (text format 0.0.4)."""
    return generate_latest(_Fixed([*metrics]))


class _Fixed(Collector):
    """Metrics that were made already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _name(lapse: Lapse) -> str:
    return _PRODUCTS if lapse.kind == "catalogue" and lapse.name not in RESERVED_PRODUCTS else lapse.name


def _latest_first(lapse: Lapse) -> float:
    return -lapse.end.timestamp()
