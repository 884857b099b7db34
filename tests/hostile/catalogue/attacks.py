"""All attacks of the table, in the order of its families."""

from typing import Final

from tests.hostile.catalogue import beside, content, names, signing, stops, versions
from tests.hostile.catalogue.table import ATTACKS, Attack

_STORIES: Final = (signing, versions, content, names, stops, beside)

ALL: Final[tuple[Attack, ...]] = tuple(ATTACKS)
