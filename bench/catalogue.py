"""Measures a large catalogue: publishing one more release into it, and what a SPOT reads of it; the real programs.

100,000 releases by default: 50 products, 10 components each, 200 releases in a component. Two of three people sign.
Nothing is asserted about the numbers; goals stand beside them. bench/README.md says what each one means.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from bench.machine import machine
from bench.measure import Cost, ProgramFailed, peak_bytes, run
from bench.relay import Relay
from bench.report import aligned
from bench.scene import Mirror, Programs

PEOPLE: Final = ("anna", "ben")
COLUMNS: Final = (
    "step",
    "seconds",
    "CPU s",
    "peak MiB",
    "requests",
    "catalogue KiB",
    "wire KiB",
    "mirror CPU s",
    "goal",
)
GOALS: Final = {
    "publish": "5 s",
    "first": "1 s, 150 MiB, catalogue 100 KiB",
    "further-here": "catalogue 15 KiB",
    "further-elsewhere": "catalogue 15 KiB",
    "poll": "1 s, 150 MiB, 1 request",
    "news-elsewhere": "1 s, 150 MiB, 4 requests",
    "news": "1 s, 150 MiB",
}
_SETTLE_SECONDS = 3.0  # the mirror looks at the disk every second, and reads what a publish changed
_CATALOGUE = frozenset({"metadata", "target", "baselines", "halts", "trust"})


class Line(NamedTuple):
    """One step: what its program cost, and what it asked of the mirror; None where no mirror has a part in it."""

    step: str
    cost: Cost
    requests: int | None = None
    catalogue_bytes: int | None = None
    wire_bytes: int | None = None
    mirror_cpu: float | None = None


def main() -> None:
    """Measure, and print a table or JSON; exit with 1 if one of the programs fails."""
    options = _parser().parse_args()
    size = (options.products, options.components, options.releases)
    with tempfile.TemporaryDirectory(prefix="spot-bench-") as folder:
        try:
            document = play(Programs(Path(folder)), size, _tell)
        except ProgramFailed as error:
            sys.exit(f"bench: {error}")
    document["machine"] = machine()
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if options.json else to_table(document))


def play(programs: Programs, size: tuple[int, int, int], tell: Callable[[str], None]) -> dict[str, Any]:
    """Make the catalogue, and take every step once.

    Raises:
        ProgramFailed: one of the programs failed.
    """
    tell("making the catalogue")
    programs.make()
    for product in ("p00", "p01"):
        programs.run("spot-mirror", "licence", "grant", "acme", product, "--installations", "1")
    fill = [sys.executable, "-m", "bench.large", *map(str, size)]
    here, log = Path(__file__).parents[1], programs.folder / "log"
    made = run(fill, folder=here, environment=programs.environment, log=log)
    begun = time.monotonic()
    with Mirror(programs) as mirror:
        ready = time.monotonic() - begun
        with Relay(urlsplit(mirror.url).port or 443) as relay:
            programs.enrol(f"https://127.0.0.1:{relay.port}")
            lines = [*_checks(programs, mirror, relay, tell), *_news(programs, mirror, relay, tell)]
            peak = peak_bytes(mirror.pid)
    return {
        "format": 1,
        "size": dict(zip(("products", "components", "releases"), size, strict=True)),
        "made_seconds": round(made.seconds, 2),
        "mirror_ready_seconds": round(ready, 2),
        "mirror_peak_bytes": peak,
        "steps": [{**line._asdict(), "cost": line.cost._asdict(), "goal": GOALS.get(line.step)} for line in lines],
    }


def _checks(programs: Programs, mirror: Mirror, relay: Relay, tell: Callable[[str], None]) -> list[Line]:
    """A SPOT that has nothing yet looks at one component, at another one, at one of another product, and polls."""
    steps = {"first": "p00/c00", "further-here": "p00/c01", "further-elsewhere": "p01/c00", "poll": "p00/c00"}
    return [
        _watched(step, mirror, relay, tell, partial(programs.run, "spot", "check", component))
        for step, component in steps.items()
    ]


def _news(programs: Programs, mirror: Mirror, relay: Relay, tell: Callable[[str], None]) -> list[Line]:
    """One more release in another product, then one in the component that SPOT looks at."""
    source = programs.folder / "source"
    source.mkdir()
    lines = []
    for component, step in (("p01/c01", "news-elsewhere"), ("p00/c00", "news")):
        (source / "about.txt").write_text(f"{component} one more\n" * 20)
        publish = ("publish", component, "999.0", str(source), "--as", PEOPLE[0])
        approve = ("approve", "--yes", component.partition("/")[0], "--as", PEOPLE[1])
        for command in (publish, approve):
            tell(f"{command[0]} {component}")
            lines.append(_published(command[0], mirror, partial(programs.run, "spot-mirror", *command)))
        lines.append(_watched(step, mirror, relay, tell, partial(programs.run, "spot", "check", "p00/c00")))
    return lines


def _published(step: str, mirror: Mirror, act: Callable[[], Cost]) -> Line:
    """What a change costs, and what it costs the mirror to take it over."""
    found = mirror.watch(lambda: _and_settled(act))
    return Line(step, found.cost, mirror_cpu=found.mirror_cpu)


def _and_settled(act: Callable[[], Cost]) -> Cost:
    cost = act()
    time.sleep(_SETTLE_SECONDS)
    return cost


def _watched(step: str, mirror: Mirror, relay: Relay, tell: Callable[[str], None], act: Callable[[], Cost]) -> Line:
    tell(step)
    known, before = len(mirror.audit()), relay.carried()
    found = mirror.watch(act)
    asked, after = mirror.audit()[known:], relay.carried()
    catalogue = [line for line in asked if line["route"] in _CATALOGUE]
    wire = after.up + after.down - before.up - before.down
    return Line(step, found.cost, len(catalogue), sum(line["bytes"] for line in catalogue), wire, found.mirror_cpu)


def to_table(document: dict[str, Any]) -> str:
    """The document for people."""
    size = document["size"]
    total = size["products"] * size["components"] * size["releases"]
    head = (
        f"{total:,} releases: {size['products']} products, {size['components']} components each, {size['releases']} "
        f"releases in each; made in {document['made_seconds']:.0f} s\n"
        f"The mirror: ready in {document['mirror_ready_seconds']:.1f} s, peak "
        f"{document['mirror_peak_bytes'] / 2**20:.0f} MiB\n\n"
    )
    return head + "\n".join(aligned([COLUMNS, *map(_row, document["steps"])])) + "\n"


def _row(step: dict[str, Any]) -> tuple[str, ...]:
    cost = step["cost"]
    return (
        step["step"],
        f"{cost['seconds']:.2f}",
        f"{cost['cpu_seconds']:.2f}",
        f"{cost['peak_bytes'] / 2**20:.0f}",
        _shown(step["requests"], "{:.0f}"),
        _shown(step["catalogue_bytes"], "{:.1f}", 2**10),
        _shown(step["wire_bytes"], "{:.1f}", 2**10),
        _shown(step["mirror_cpu"], "{:.2f}"),
        step["goal"] or "-",
    )


def _shown(value: float | None, form: str, unit: int = 1) -> str:
    return "-" if value is None else form.format(value / unit)


def _tell(step: str) -> None:
    sys.stderr.write(f"bench: {step}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.catalogue", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    for name, default, least, most in (
        ("products", 50, 2, 100),
        ("components", 10, 2, 100),
        ("releases", 200, 1, 2000),
    ):
        text = f"how many {name} (default: {default})"
        parser.add_argument(f"--{name}", type=partial(_number, least, most), default=default, help=text)
    return parser


def _number(least: int, most: int, text: str) -> int:
    number = int(text)
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"there can be {least} to {most}")
    return number


if __name__ == "__main__":
    main()
