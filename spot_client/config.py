"""Where an installation keeps what, and spot.toml: the few things an administrator may choose.

ROOT/spot.toml                  optional, written by people
ROOT/.spot/                     SPOT's own, for its owner only
ROOT/PRODUCT/COMPONENT/current  the pointer to the version in use
ROOT/PRODUCT/COMPONENT/versions/…
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from spot_client.errors import RefusedLocally
from spot_client.wire.errors import BadName
from spot_client.wire.names import check_id

MAX_BYTES = 64 * 2**10


_Path = Annotated[str, msgspec.Meta(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]*\Z")]
_A_PATH = "a path of 1 to 4096 characters in quotes, without control characters"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """spot.toml.

    channel: the one whose releases are taken.
    tls12: also speak TLS 1.2, in which the client's name crosses the wire in clear.
    keep: versions kept of a component, the one in use included.
    timeout: seconds without a byte after which a mirror counts as out of reach.
    downloads: blocks fetched at once.
    min_rate: bytes a second, over a minute and all downloads together, below which a mirror counts as out of reach.
    deadline: hours after which a run asks no mirror for more.
    log_file: where SPOT also writes what it says and does; relative to the installation root.
    site_list: the site's own list of the releases that it allows; relative likewise.
    site_key: the public key that has to have signed it, PEM; relative likewise.
    """

    channel: str = "stable"
    tls12: bool = False
    keep: Annotated[int, msgspec.Meta(ge=2, le=20)] = 2
    timeout: Annotated[int, msgspec.Meta(ge=1, le=600)] = 30
    downloads: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    min_rate: Annotated[int, msgspec.Meta(ge=16, le=2**20)] = 1024
    deadline: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    log_file: _Path | None = None
    site_list: _Path | None = None
    site_key: _Path | None = None


_MUST_BE = {
    "channel": "the name of a channel, in quotes",
    "tls12": "true or false",
    "keep": "a whole number from 2 to 20",
    "timeout": "a whole number of seconds from 1 to 600",
    "downloads": "a whole number from 1 to 16",
    "min_rate": "a whole number of bytes a second from 16 to 1048576",
    "deadline": "a whole number of hours from 1 to 720",
    "log_file": _A_PATH,
    "site_list": _A_PATH,
    "site_key": _A_PATH,
}


class Paths(msgspec.Struct, frozen=True):
    """Every place below an installation root."""

    root: Path

    @property
    def own(self) -> Path:
        """SPOT's own folder."""
        return self.root / ".spot"

    @property
    def settings(self) -> Path:
        """What the administrator chose."""
        return self.root / "spot.toml"

    @property
    def cache(self) -> Path:
        """Contents and blocks that spare the next time."""
        return self.own / "cache"

    def component(self, ref: str) -> Path:
        """The folder of `PRODUCT/COMPONENT`."""
        return self.root / ref

    def versions(self, ref: str) -> Path:
        """The folder of a component's trees."""
        return self.root / ref / "versions"


def load_settings(path: Path) -> Settings:
    """Read spot.toml; without one, the defaults.

    Raises:
        RefusedLocally: reason `bad-config`.
    """
    try:
        raw = _read(path)
    except FileNotFoundError:
        return Settings()
    if len(raw) > MAX_BYTES:
        raise RefusedLocally("bad-config", f"{path} has more than {MAX_BYTES} bytes: that is not a configuration.")
    try:
        table = tomllib.loads(raw.decode())
        _check_keys(table)
        settings = msgspec.convert(table, Settings, strict=True)
        check_id("channel", settings.channel)
    except RecursionError as error:
        raise RefusedLocally("bad-config", f"{path} cannot be used: it is nested too deep. Correct it.") from error
    except msgspec.ValidationError as error:
        raise RefusedLocally("bad-config", f"{path} cannot be used: {_plain(error)}. Correct or remove it.") from error
    except (ValueError, BadName) as error:  # UnicodeDecodeError, TOMLDecodeError
        raise RefusedLocally("bad-config", f"{path} cannot be used: {error}. Correct or remove it.") from error
    return settings


def _read(path: Path) -> bytes:
    """The file's first bytes, one more than it may have. A pipe nobody writes to would be waited for in vain."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise RefusedLocally("bad-config", f"{path} is no regular file: put a file in its place, or remove it.")
        with open(handle, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)


def _plain(error: msgspec.ValidationError) -> str:
    key = str(error).rpartition("`$.")[2].rstrip("`")
    return f"{key} must be {_MUST_BE[key]}" if key in _MUST_BE else str(error)


def _check_keys(table: Mapping[str, object]) -> None:
    known = Settings.__struct_fields__
    unknown = [key for key in table if key not in known]
    if unknown:
        raise ValueError(f"there is no setting {unknown[0][:60]!r}; there are {', '.join(known)}")
