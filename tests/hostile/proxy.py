"""A server between SPOT and the mirror, with the very certificate that is pinned: it can lie about everything else."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self

from tests.e2e.world import World
from tests.hostile.asking import Reply, ask, trusting_nobody

Lie = Callable[[str, Reply], Reply | None]
"""What to answer instead of the mirror's reply to a path; None: go on for ever."""

_KEPT: Final = ("Content-Type", "Content-Range", "ETag", "Date")


class Proxy:
    """Answers like the mirror does to acme, but for `lie`. A context manager."""

    def __init__(self, world: World, certificate: Path | None = None, key: Path | None = None) -> None:
        self.world = world
        self.lie: Lie = lambda _path, reply: reply
        self.asked: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            certificate or world.folder / "certs/mirror1.crt", key or world.folder / "certs/mirror1.key"
        )
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def mislead(self, root: Path) -> Path:
        """Let an installation root believe that this is the mirror."""
        path = root / ".spot/identity.json"
        path.write_text(path.read_text().replace(f":{self.world.port}", f":{self.port}"))
        return root

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self
        credentials = trusting_nobody(self.world.folder / "roots/acme/.spot/client.pem")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                proxy.asked.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name not in {"Host", "Connection"}}
                real = ask(
                    proxy.world.port, credentials, self.path, method=self.command, body=body or None, headers=headers
                )
                reply = proxy.lie(self.path, real)
                self.send_response_only(200 if reply is None else reply.status)
                for name, value in (real if reply is None else reply).headers.items():
                    if name in {*_KEPT, "Location"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(10**12 if reply is None else len(reply.body)))
                self.end_headers()
                while reply is None:
                    self.wfile.write(bytes(2**16))
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = answer  # noqa: N815  the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        """SPOT hangs up on lies: that is what is tested, and no error here."""
