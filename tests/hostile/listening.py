"""What the content listener of a running mirror made of a stranger: how handshakes ended, what was answered, logged."""

import ssl
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from tests.ca.house import PairFiles, Party, der_of
from tests.hostile.asking import trusting_nobody
from tests.mirror.content.rig import Mirror
from tests.mirror.content.test_lapsing import asked

GET: Final = b"GET /licences HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
V12: Final = ssl.TLSVersion.TLSv1_2
V13: Final = ssl.TLSVersion.TLSv1_3
_OUTCOME: Final = 'spot_mirror_handshakes_total{outcome="'


def context(
    files: PairFiles | None = None, version: ssl.TLSVersion | None = None, ciphers: str = "ALL"
) -> ssl.SSLContext:
    """A stranger's TLS: it minds nothing, however weak, and shows what it was given."""
    made = trusting_nobody()
    made.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    if files is not None:
        made.load_cert_chain(files["certificate"], files["key"])
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = made.maximum_version = version
    return made


def shown(party: Party, folder: Path, *chain: Party) -> PairFiles:
    """A stranger's files: its certificate, and more of them behind it."""
    files = party.files(folder, f"stranger-{party.certificate.serial_number}")
    with files["certificate"].open("ab") as more:
        for one in chain:
            more.write(ssl.DER_cert_to_PEM_cert(der_of(one.certificate)).encode())
    return files


def said_to(mirror: Mirror, using: ssl.SSLContext) -> bytes:
    """All that a stranger reads who shakes hands and asks; nothing where TLS breaks."""
    try:
        with mirror.raw(using) as connection:
            connection.sendall(GET)
            return read_to_end(connection)
    except (ssl.SSLError, ConnectionError):
        return b""


def read_to_end(connection: ssl.SSLSocket) -> bytes:
    """All that comes until the end, or until TLS breaks."""
    answer = b""
    with suppress(ssl.SSLError, ConnectionError):
        while chunk := connection.recv(2**16):
            answer += chunk
    return answer


def refusal(answer: bytes) -> dict[str, object]:
    """The body of a refusal."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 403 Forbidden", answer
    assert b"\r\nConnection: close" in head
    found: dict[str, object] = msgspec.json.decode(body)
    return found


def outcomes(mirror: Mirror) -> Counter[str]:
    """How handshakes have failed so far, by the metrics."""
    lines = [line for line in asked(mirror, "/metrics")[1].splitlines() if line.startswith(_OUTCOME)]
    found = Counter({line.split('"')[1]: int(float(line.split()[-1])) for line in lines})
    del found["ok"]  # of an earlier test, and told late
    return found


@contextmanager
def ends(mirror: Mirror, **expected: int) -> Iterator[None]:
    """So many handshakes fail so meanwhile, by the metrics, and none in another way; names with underscores."""
    before = outcomes(mirror)
    yield
    wanted = Counter({name.replace("_", "-"): count for name, count in expected.items()})
    mirror.until(lambda: (outcomes(mirror) - before).total() >= wanted.total(), seconds=10)
    found = outcomes(mirror) - before
    assert found == wanted, found
