"""Generates load over mutual TLS, from a process of its own: prints one JSON document.

    python -m bench.load small --port 8443 --certificate acme.crt --key acme.key --pin mirror.crt \\
        --path /releases/sdk/tool/1.0/any/manifest --content FILE

    small       a file on connections that stay
    handshake   a new connection with a full handshake for each request; session tickets count as errors
    bulk        a large file, its bytes counted
    idle        so many connections, one request each, held until the end

An answer counts if status, length and (with --content) every byte are right; all else is in `errors`, by kind.
bench/README.md says what the numbers are.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from ssl import SSLContext, TLSVersion
from time import perf_counter
from typing import Any, Final

import uvloop

from bench.connections import Connection, Target
from ca.tls import client_context, read_pins

MODES: Final = ("small", "handshake", "bulk", "idle")
_OPENING = 32  # handshakes at once while connections are opened that stay
_PATIENCE = 30.0  # seconds for answers that are still out at the end
_GIVE_UP = 1000  # errors after which there is nothing to measure


class Load:
    """One run. `requests`: how many at most, `seconds`: for how long, whichever comes first."""

    def __init__(self, target: Target, *, fresh: bool, connections: int, requests: int, seconds: float) -> None:
        """`fresh`: a new connection for each request."""
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.cipher = ""
        self._loop = asyncio.get_running_loop()
        self._fresh = fresh
        self._requests = requests
        self._seconds = seconds
        self._started = 0
        self._ends = 0.0
        self._measuring = False
        self._unopened = connections
        self._finished: asyncio.Event = asyncio.Event()
        self._connections = [self._make(target) for _ in range(connections)]

    async def warm(self) -> None:
        """Open the connections, and ask once on each."""
        self._finished.clear()
        for connection in self._connections[:_OPENING]:
            connection.open()
        await self._wait(_PATIENCE + len(self._connections) / 20)

    async def run(self) -> float:
        """Ask, and say how many seconds it took until the last answer."""
        self._finished.clear()
        self._measuring, begun = True, perf_counter()
        self._ends = begun + self._seconds
        for connection in self._connections:
            self._next(connection)
        await self._wait(self._seconds + _PATIENCE)
        return perf_counter() - begun

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()

    def _make(self, target: Target) -> Connection:
        return Connection(self._loop, target, self._ready, self._answered, self._failed)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._finished.wait()
        except TimeoutError:
            self.errors["timeout"] += sum(connection.busy for connection in self._connections)

    def _ready(self, connection: Connection) -> None:
        self.cipher = self.cipher or connection.cipher
        if self._measuring and not self._fresh:
            connection.ask()  # after an error the time of the new handshake is not one of an answer
        else:
            connection.send()

    def _answered(self, connection: Connection) -> None:
        if not self._measuring:
            self._opened(connection)
            return
        if self._fresh and connection.ticket:
            self.errors["ticket"] += 1
        self.latencies.append(perf_counter() - connection.begun)
        if self._fresh:
            connection.close()
        self._next(connection)

    def _failed(self, connection: Connection, kind: str) -> None:
        self.errors[kind] += 1
        if self.errors.total() >= _GIVE_UP:
            self._finished.set()
        elif self._measuring:
            self._loop.call_later(0.01, self._next, connection)
        else:
            self._opened(connection)

    def _opened(self, connection: Connection) -> None:
        if self._fresh:
            connection.close()
        self._unopened -= 1
        following = len(self._connections) - self._unopened + _OPENING - 1
        if following < len(self._connections):
            self._connections[following].open()
        if not self._unopened:
            self._finished.set()

    def _next(self, connection: Connection) -> None:
        if self._started >= self._requests or perf_counter() >= self._ends:
            if not any(one.busy for one in self._connections):
                self._finished.set()
            return
        self._started += 1
        if connection.is_open:
            connection.ask()
        else:
            connection.open()


def main() -> None:
    """Run, and print what was seen; exit with 1 if no answer counted."""
    options = _parser().parse_args()
    found = uvloop.run(_play(options))
    sys.stdout.write(json.dumps(found) + "\n")
    sys.exit(0 if found["answers"] else 1)


async def _play(options: argparse.Namespace) -> dict[str, Any]:
    fresh, idle = options.mode == "handshake", options.mode == "idle"
    load = Load(
        _target(options),
        fresh=fresh,
        connections=options.connections,
        requests=options.requests,
        seconds=options.seconds,
    )
    await load.warm()
    if options.gated:
        sys.stdout.write(json.dumps({"ready": options.connections - load.errors.total()}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
    elif idle:
        await asyncio.sleep(options.seconds)
    seconds = 0.0 if idle else await load.run()
    answers = options.connections - load.errors.total() if idle else len(load.latencies)
    load.close()
    return _document(options, load, answers, seconds)


def _document(options: argparse.Namespace, load: Load, answers: int, seconds: float) -> dict[str, Any]:
    ordered = sorted(load.latencies)

    def at(share: float) -> float | None:
        return round(ordered[int(share * (len(ordered) - 1))] * 1000, 3) if ordered else None

    return {
        "mode": options.mode,
        "answers": answers,
        "bytes": answers * options.length,
        "seconds": round(seconds, 6),
        "rate": round(answers / seconds, 1) if seconds else None,
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "cipher": load.cipher,
        "errors": dict(load.errors),
    }


def _target(options: argparse.Namespace) -> Target:
    content = options.content.read_bytes() if options.content else None
    if content is not None:
        options.length = len(content)
    headers = {"Host": f"{options.host}:{options.port}", "User-Agent": "bench", "Accept": "*/*"}
    headers |= dict(line.split(": ", 1) for line in options.header)
    if options.mode == "handshake":
        headers["Connection"] = "close"
    lines = [f"GET {options.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    request = "\r\n".join(lines).encode()
    return Target(options.host, options.port, _context(options), request, b"HTTP/1.1 200 ", options.length, content)


def _context(options: argparse.Namespace) -> SSLContext:
    pins = read_pins(options.pin.read_bytes())
    context = client_context(certificate=options.certificate, key=options.key, pins=pins, tls12=options.tls == "1.2")
    if options.tls == "1.2":
        context.maximum_version = TLSVersion.TLSv1_2
    return context


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    for name in ("certificate", "key", "pin"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="PEM")
    parser.add_argument("--path", required=True)
    parser.add_argument("--header", action="append", default=[], help="one more, as 'Name: value'")
    body = parser.add_mutually_exclusive_group(required=True)
    body.add_argument("--content", type=Path, help="a file with the very bytes of the answer's body")
    body.add_argument("--length", type=int, help="how many bytes the body has, where only they are counted")
    parser.add_argument("--tls", choices=("1.2", "1.3"), default="1.3")
    parser.add_argument("--connections", type=int, default=32, help="at once (default: 32)")
    parser.add_argument("--requests", type=int, default=10**9, help="at most (default: no end)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for so long (default: 3)")
    parser.add_argument("--gated", action="store_true", help="print a line once connections are open, and wait for one")
    return parser


if __name__ == "__main__":
    main()
