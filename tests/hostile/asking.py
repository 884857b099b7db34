"""Speaks to a server by hand, with any certificate: what SPOT would never say."""

import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """Why it is a refusal."""
        return str(msgspec.json.decode(self.body)["reason"])


def trusting_nobody(certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """TLS that does not look whom it speaks to; with a client certificate, if one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def ask(
    port: int,
    context: ssl.SSLContext,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own. Raises OSError or http.client.HTTPException without an answer."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    try:
        connection.request(method, path, body, dict(headers or {}))
        with connection.getresponse() as response:
            return Reply(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()
