"""Attacks whose guard is not built yet: name of the attack, what is missing. Empty is what it should be."""

from typing import Final

LATER: Final[dict[str, str]] = {}
