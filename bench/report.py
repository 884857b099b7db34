"""Many rounds become one table or one JSON document. Values in, text out.

The document, sizes in bytes and times in seconds:

    format      1
    rounds      how often each step was taken
    machine     what it ran on; `versions` of what matters by name
    components  each: component, platform, versions, source_bytes, mirror_peak_bytes, steps; and each of the steps:
                step, seconds, cpu_seconds, peak_bytes, and with a mirror requests, wire_bytes, mirror_cpu_seconds

A measured quantity is {"median", "min", "max"} over the rounds. What does not apply to a step is null.
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from bench.scene import STEPS, Job, Sample

_COLUMNS = ("step", "seconds", "CPU s", "peak MiB", "requests", "wire KiB", "mirror CPU s")


def component(job: Job, rounds: Sequence[tuple[dict[str, Sample], int]]) -> dict[str, Any]:
    """The part of the document about one component; `rounds` as `Scene.play` returned them."""
    return {
        "component": job.component,
        "platform": job.platform,
        "versions": list(job.versions),
        "source_bytes": [_size(source) for source in job.sources],
        "mirror_peak_bytes": _spread([peak for _, peak in rounds]),
        "steps": [{"step": step, **_step([samples[step] for samples, _ in rounds])} for step in STEPS],
    }


def to_json(document: dict[str, Any]) -> str:
    """The document as text."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def to_table(document: dict[str, Any]) -> str:
    """The document for people: medians, and what they lie between if they differ."""
    machine = document["machine"]
    lines = [f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB of memory"]
    lines += ["  ".join(f"{name} {version}" for name, version in machine["versions"].items())]
    lines += [f"Rounds: {document['rounds']}, their median (least..most). Load at the start: {machine['load']:.1f}"]
    for part in document["components"]:
        old, new = part["versions"]
        size = part["source_bytes"][0] / 2**20
        lines += ["", f"{part['component']} {old} -> {new}, source {size:.1f} MiB, mirror's peak {_mib(part)} MiB"]
        lines += aligned([_COLUMNS, *(_row(step) for step in part["steps"])])
    return "\n".join(lines) + "\n"


def _step(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "seconds": _spread([sample.cost.seconds for sample in samples]),
        "cpu_seconds": _spread([sample.cost.cpu_seconds for sample in samples]),
        "peak_bytes": _spread([sample.cost.peak_bytes for sample in samples]),
        "requests": _spread([sample.requests for sample in samples]),
        "wire_bytes": _spread([sample.wire_bytes for sample in samples]),
        "mirror_cpu_seconds": _spread([sample.mirror_cpu for sample in samples]),
    }


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [round(value, 4) for value in values if value is not None]
    if not known:
        return None
    return {"median": round(statistics.median(known), 4), "min": min(known), "max": max(known)}


def _row(step: dict[str, Any]) -> tuple[str, ...]:
    return (
        step["step"],
        _shown(step["seconds"], 2),
        _shown(step["cpu_seconds"], 2),
        _shown(step["peak_bytes"], 0, 2**20),
        _shown(step["requests"], 0),
        _shown(step["wire_bytes"], 1, 2**10),
        _shown(step["mirror_cpu_seconds"], 3),
    )


def _shown(spread: dict[str, float] | None, digits: int, unit: int = 1) -> str:
    if spread is None:
        return "-"
    median, least, most = (f"{spread[name] / unit:.{digits}f}" for name in ("median", "min", "max"))
    return median if least == most else f"{median} ({least}..{most})"


def _mib(part: dict[str, Any]) -> str:
    return _shown(part["mirror_peak_bytes"], 0, 2**20)


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines, their columns one below the other."""
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _size(source: Any) -> int:
    paths = source.rglob("*") if source.is_dir() else [source]
    return sum(path.lstat().st_size for path in paths if path.is_file())
