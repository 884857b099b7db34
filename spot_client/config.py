"""Where an installation keeps what, and spot.toml: the few things an administrator may choose.

ROOT/spot.toml                  optional, written by people
ROOT/.spot/                     SPOT's own, for its owner only
ROOT/PRODUCT/COMPONENT/current  the pointer to the version in use
ROOT/PRODUCT/COMPONENT/versions/…
"""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from spot_client.errors import RefusedLocally
from spot_client.wire.errors import BadName
from spot_client.wire.names import check_id

MAX_BYTES = 64 * 2**10


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """spot.toml. `keep`: versions kept of a component, the one in use included; `timeout`: seconds without a byte."""

    channel: str = "stable"
    tls12: bool = False
    keep: Annotated[int, msgspec.Meta(ge=2, le=20)] = 2
    timeout: Annotated[int, msgspec.Meta(ge=1, le=600)] = 30


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
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Settings()
    if len(raw) > MAX_BYTES:
        raise RefusedLocally("bad-config", f"{path} has more than {MAX_BYTES} bytes: that is not a configuration.")
    try:
        settings = msgspec.convert(tomllib.loads(raw.decode()), Settings, strict=True)
        check_id("channel", settings.channel)
    except RecursionError as error:
        raise RefusedLocally("bad-config", f"{path} cannot be used: it is nested too deep. Correct it.") from error
    except (ValueError, BadName) as error:  # UnicodeDecodeError, TOMLDecodeError, msgspec.ValidationError
        raise RefusedLocally("bad-config", f"{path} cannot be used: {error}. Correct or remove it.") from error
    return settings
