"""All attacks of the table, in the order of its families."""

from typing import Final

from tests.hostile.catalogue import beside, certificates, content, names, signing, stops, versions
from tests.hostile.catalogue.table import ATTACKS, Attack

_STORIES: Final = (signing, versions, content, names, stops, beside, certificates)

ALL: Final[tuple[Attack, ...]] = tuple(ATTACKS)
