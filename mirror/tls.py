"""The content listener's TLS: a context of OpenSSL itself, by way of pyOpenSSL, made of the rules in `ca.tls`.

What Python's `ssl` cannot do, and this does: suites of TLS 1.3 are chosen (AES-GCM and nothing else), no session is
remembered, so none is resumed in any version, the server's certificate goes out without the issuing CA's, and
certificate and key come from bytes that were checked. And its OpenSSL is newer, and shakes hands for less
(docs/adr/0013).

Three things pyOpenSSL has no call for: the groups, the algorithms of signatures, and that no tickets of TLS 1.3 are
given. They stand in `CONFIGURATION`, a file for OpenSSL itself, which control names in a worker's environment
(`OPENSSL_CONF`). Without it OpenSSL's order of groups holds, X25519 and P-256 first as well, SHA-224 is good enough for
TLS 1.2, and two tickets go out that nobody can use.

Nothing here is called back from C: that needs memory which is written and run, and the service has none
(`MemoryDenyWriteExecute` in deploy/spot-mirror.service). So what clients offer by ALPN is not answered, and they go on
with HTTP/1.1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from cryptography import x509
from OpenSSL import SSL, crypto

from ca.credentials import Credentials
from ca.errors import TlsError
from ca.pins import check_server_leaf
from ca.tls import CIPHERS, NO_CHECK_TIME, SUITES, issuing_anchors

Context: TypeAlias = SSL.Context

OPENSSL: Final = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()
"""The one that serves, as `OpenSSL 4.0.3 29 Sep 2026`: that of `cryptography`, not the system's."""
CONFIGURATION: Final = Path(__file__).with_name("openssl.cnf")
"""What OpenSSL is to read before it serves."""
_VERSIONS: Final = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_PARTIAL_CHAIN: Final = crypto.X509StoreFlags.PARTIAL_CHAIN
_PARTIAL_WRITE: Final = 0x1  # SSL_MODE_ENABLE_PARTIAL_WRITE
_NO_AUTO_CHAIN: Final = 0x8  # SSL_MODE_NO_AUTO_CHAIN; pyOpenSSL has no names for these two


def listener_context(
    credentials: Credentials, issuing_cas: Sequence[x509.Certificate | bytes], min_tls: Literal["1.2", "1.3"] = "1.2"
) -> Context:
    """The mirror's side of mutual TLS, for connections over memory (`mirror.content.tunnel`).

    Args:
        credentials: the server's, from `ca.tls.read_credentials`.
        issuing_cas: the current issuing CAs (certificates, or their DER), at least one.

    Raises:
        TlsError: reason `is-a-ca`, `not-a-server`, `weak-key`, `bad-certificate`, `no-issuing-ca` or
            `not-an-issuing-ca`.
    """
    check_server_leaf(credentials.chain[0])
    anchors = issuing_anchors(issuing_cas)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[min_tls])
    context.set_cipher_list(CIPHERS.encode())
    context.set_tls13_ciphersuites(SUITES.encode())
    context.set_options(
        SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # OpenSSL would look for the issuer of its own certificate among the anchors, and send it to whoever calls.
    context.set_mode(_NO_AUTO_CHAIN | SSL.MODE_RELEASE_BUFFERS)
    context.clear_mode(_PARTIAL_WRITE)  # memory takes everything: so 64 KiB are one call, not four
    _show(context, credentials)
    _demand(context, anchors)
    return context


def _show(context: Context, credentials: Credentials) -> None:
    """What the server proves itself by."""
    leaf, *others = credentials.chain
    try:
        context.use_certificate(leaf)
        for other in others:
            context.add_extra_chain_cert(other)
        context.use_privatekey(credentials.private_key)
        context.check_privatekey()
    except SSL.Error as error:
        raise TlsError("bad-certificate", f"OpenSSL refuses the server's certificate or key: {error}.") from error


def _demand(context: Context, anchors: Sequence[x509.Certificate]) -> None:
    """What a client proves itself by: a certificate that one of the anchors signed, and nobody else."""
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    store = context.get_cert_store()
    if store is None:
        raise TlsError("bad-certificate", "OpenSSL has no place for the issuing CAs.")
    store.set_flags(_PARTIAL_CHAIN | NO_CHECK_TIME)
    for anchor in anchors:
        store.add_cert(crypto.X509.from_cryptography(anchor))
