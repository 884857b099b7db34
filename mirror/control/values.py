"""The forms of values in messages between control and its workers. Pure."""

from typing import Annotated

import msgspec

Number = Annotated[int, msgspec.Meta(ge=0)]
InstallationId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-hjkmnp-tv-z]{16}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
