"""One TLS connection over OpenSSL's memory BIOs: bytes of the wire in and out, and what is said in them.

pyOpenSSL makes it, and says what went wrong. The four calls that every request makes go past its Python to the binding
that it is made of itself (`cryptography.hazmat.bindings`), and three of its attributes are read for that: the tunnel's
part of a small answer went from 7.2 to 5.1 us, and all of it, under load, from 44 to 39 (docs/adr/0013). The binding
can also tell how much waits.

For one thread. Nothing here is called back from C (see `mirror.tls`).
"""

from typing import Any, Final

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL

from mirror.tls import Context

_binding: Final = Binding()
_lib: Final[Any] = _binding.lib
_ffi: Final[Any] = _binding.ffi
_put, _get, _length = _lib.BIO_write, _lib.BIO_read, _lib.BIO_get_mem_data
_read, _write, _pending = _lib.SSL_read, _lib.SSL_write, _lib.SSL_pending
_room, _copied = _ffi.new_allocator(should_clear_after_alloc=False), _ffi.unpack
_view_of, _NULL = _ffi.from_buffer, _ffi.NULL
_CHARS: Final = _ffi.typeof("char[]")


class Bios:
    """The server's side of a connection. What fails raises as in `connection`, which is pyOpenSSL's."""

    __slots__ = ("_in", "_out", "_ssl", "connection")

    def __init__(self, context: Context) -> None:
        self.connection = SSL.Connection(context)
        self.connection.set_accept_state()
        made: Any = self.connection
        self._ssl, self._in, self._out = made._ssl, made._into_ssl, made._from_ssl  # noqa: SLF001

    def put(self, raw: bytes) -> None:
        """Bytes that came."""
        if _put(self._in, raw, len(raw)) != len(raw):
            self.connection.bio_write(raw)  # says why: there is no memory

    @property
    def waiting(self) -> int:
        """Bytes that came and were not read."""
        return int(_length(self._in, _NULL) + _pending(self._ssl))

    def read(self, most: int) -> bytes:
        """What was said, decrypted. Raises `SSL.Error`, of which `SSL.WantReadError` is one."""
        room = _room(_CHARS, most)
        count = _read(self._ssl, room, most)
        return _copied(room, count) if count > 0 else self.connection.recv(most)  # which says why there is nothing

    def write(self, data: bytes | memoryview) -> None:
        """Say something: all of it. Raises `SSL.Error`."""
        if _write(self._ssl, _view_of(data), len(data)) <= 0:
            self.connection.send(data)  # says why

    def take(self) -> bytes:
        """Everything that is to be sent; b"" if there is nothing."""
        count = _length(self._out, _NULL)
        if not count:
            return b""
        room = _room(_CHARS, count)
        taken: bytes = _copied(room, _get(self._out, room, count))
        return taken
