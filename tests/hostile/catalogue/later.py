"""Attacks whose guard is not built yet: name of the attack, what is missing. To be emptied."""

from typing import Final

LATER: Final[dict[str, str]] = {}
