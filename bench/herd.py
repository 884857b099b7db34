"""Measures a herd: many clients that look for news at once, after an outage, over real TLS; and a model of larger ones.

Each client makes its connection, asks once, and closes, as `spot check` does; whoever is not served comes again by
SPOT's own rules (`spot_client.fetch.rest`). They share the machine with the mirror, and several addresses of loopback.
Nothing is asserted about the numbers, but that nobody is lost (exit code 1). bench/README.md says what each one means.
"""

import argparse
import asyncio
import json
import resource
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.capacity import MEASURED, cores
from bench.machine import machine
from bench.measure import ProgramFailed, family_cpu_seconds
from bench.rush import Crowd, percentile, simulate
from bench.scene import Mirror, Programs
from ca import bundle, tls
from mirror.limits import Limits
from spot_client.fetch import rest
from spot_client.wire.routes import METADATA_BASE

PER_CUSTOMER: Final = 2500
ADDRESSES: Final = 200
"""The herd comes from so many addresses, 127.0.0.2 and following."""

MODELS: Final = (
    Crowd(clients=10_000, over=60),
    Crowd(clients=10_000, over=1),
    Crowd(clients=100_000, over=60),
    Crowd(clients=1_000_000, over=3600),
)
MODEL_WORKERS: Final = 2

_GAP = 30.0  # seconds that SPOT waits for an answer
_random = SystemRandom()


class Herd:
    """The clients, and what they met. `contexts`: each of a customer. `every`: until the next run of a failed one."""

    def __init__(
        self, host: str, port: int, contexts: Sequence[ssl.SSLContext], *, window: float, every: float
    ) -> None:
        self.host, self.port, self.contexts = host, port, contexts
        self.window, self.every = window, every
        self.took: list[float] = []
        self.met: Counter[str] = Counter()
        self.runs = 0
        self.last = 0.0
        self._request = (
            f"GET /{METADATA_BASE.strip('/')}/timestamp.json HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
        )

    async def come(self, clients: int, over: float) -> None:
        """All of them, at any moment of so many seconds; ends when each was served, or the window is over."""
        self.begun = time.monotonic()
        await asyncio.gather(*(self._live(client, _random.uniform(0, over)) for client in range(clients)))

    async def _live(self, client: int, first: float) -> None:
        await asyncio.sleep(first)
        while time.monotonic() - self.begun < self.window:
            self.runs += 1
            if await self._run(client):
                self.last = max(self.last, time.monotonic() - self.begun)
                return
            await asyncio.sleep(self.every)

    async def _run(self, client: int) -> bool:
        """One run of SPOT: all its attempts."""
        waited = 0.0
        for attempt in range(1, rest.ATTEMPTS_BUSY + 1):
            begun = time.monotonic()
            status, told = await self._ask(client)
            self.met[status] += 1
            if status in {"200", "304"}:
                self.took.append(time.monotonic() - begun)
                return True
            pause = rest.pause(attempt, _random.random()) if told is None else rest.obeyed(told, _random.random())
            waited += pause
            if attempt == rest.ATTEMPTS_BUSY or (told is not None and waited > rest.MAX_WAIT):
                break
            await asyncio.sleep(pause)
        return False

    async def _ask(self, client: int) -> tuple[str, int | None]:
        """The status of the answer, or why there is none; and for how long the mirror asks to be left alone."""
        local = f"127.0.0.{2 + client % ADDRESSES}"
        context = self.contexts[client % len(self.contexts)]
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(_GAP):
                reader, writer = await asyncio.open_connection(self.host, self.port, ssl=context, local_addr=(local, 0))
                writer.write(self._request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except TimeoutError:
            return "no answer", None
        except (OSError, asyncio.IncompleteReadError):
            return "closed", None
        finally:
            if writer is not None:
                writer.close()
        status = head.split(" ", 2)[1]
        fields = (line.partition(": ") for line in head.split("\r\n")[1:])
        return status, rest.told(int(status), {name.title(): value for name, _, value in fields})


def main() -> None:
    """Let the herd come, and print what it met; exit with 1 if somebody was lost or a program fails."""
    options = _parser().parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    here = machine()
    try:
        with tempfile.TemporaryDirectory() as folder:
            real = _measure(Path(folder), options)
    except ProgramFailed as error:
        sys.exit(f"bench: {error}")
    document = {"format": 1, "machine": here, "real": real, "model": [] if options.no_model else model()}
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if options.json else _table(document))
    sys.exit(1 if real["lost"] else 0)


def model() -> list[dict[str, Any]]:
    """The model's rows, with the costs that were measured of the mirror."""
    rows = []
    for crowd in MODELS:
        outcome = simulate(crowd, Random(1), workers=MODEL_WORKERS, handshakes=Limits().handshakes)  # noqa: S311
        rows.append({"over": crowd.over, "workers": MODEL_WORKERS, **msgspec.to_builtins(outcome)})
    return rows


def _measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    programs = Programs(folder)
    programs.make()
    with Mirror(programs) as mirror:
        url = urlsplit(mirror.url)
        contexts = [_context(programs, mirror.url, number) for number in range(-(-options.clients // PER_CUSTOMER))]
        herd = Herd(url.hostname or "", url.port or 0, contexts, window=options.window, every=options.every)
        used, begun = family_cpu_seconds(mirror.pid), time.process_time()
        uvloop.run(herd.come(options.clients, options.over))
        ours, used = time.process_time() - begun, family_cpu_seconds(mirror.pid) - used
    took = sorted(herd.took)
    return {
        "clients": options.clients,
        "over": options.over,
        "served": len(took),
        "lost": options.clients - len(took),
        "p50_ms": round(percentile(took, 0.5) * 1000, 1),
        "p99_ms": round(percentile(took, 0.99) * 1000, 1),
        "shed": herd.met["closed"],
        "refused": herd.met["429"] + herd.met["503"],
        "retries": herd.met.total() - options.clients,
        "later_runs": herd.runs - options.clients,
        "met": dict(herd.met),
        "last": round(herd.last, 1),
        "mirror_cpu_ms": round(used / options.clients * 1000, 2),
        "client_cpu_ms": round(ours / options.clients * 1000, 2),
    }


def _context(programs: Programs, url: str, number: int) -> ssl.SSLContext:
    """A customer with its bundle."""
    name, root = f"herd-{number}", ("--catalogue-root", "data/catalogue/1.root.json")
    programs.run("spot-mirror", "customer", "add", name)
    out = programs.folder / f"{name}.bundle"
    programs.run("spot-ca", "bundle", name, "--mirror", f"{url}=certs/mirror.crt", *root, "--out", str(out))
    its = bundle.decode(out.read_bytes())
    pem = programs.folder / f"{name}.pem"
    pem.touch(0o600)
    pem.write_text(its.client_certificate + its.client_key)
    pins = [der for text in its.mirrors[0].pins for der in tls.read_pins(text.encode())]
    return tls.client_context(certificate=pem, key=pem, pins=pins)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.herd", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--clients", type=int, default=2000, help="how many come (default: 2000)")
    parser.add_argument("--over", type=float, default=12.0, help="in so many seconds (default: 12)")
    parser.add_argument("--every", type=float, default=60.0, help="seconds until the next run of a failed one")
    parser.add_argument("--window", type=float, default=300.0, help="seconds after which who was not served is lost")
    parser.add_argument("--no-model", action="store_true", help="only what is measured")
    return parser


def _table(document: dict[str, Any]) -> str:
    wanted = ("clients", "over", "served", "lost", "shed", "p50_ms", "p99_ms", "last")
    lines = [("", *wanted), ("real", *(document["real"][name] for name in wanted))]
    lines += [(f"model, {row['workers']} workers", *(row[name] for name in wanted)) for row in document["model"]]
    needed = cores(MEASURED, 1_000_000, 3600)
    text = "\n".join("  ".join(f"{cell!s:>16}" for cell in line) for line in lines)
    return f"{text}\n\n1,000,000 installations that look hourly need {needed:.2f} cores, each half busy.\n"


if __name__ == "__main__":
    main()
