"""An offline set of what a vendor in memory has, as it is carried to a machine without a network."""

import copy
from pathlib import Path

from spot_client.fetch.catalogue import OFFLINE
from tests.spot_client.vendor import Vendor


def carry(vendor: Vendor, folder: Path) -> Path:
    """Write a set of all that the vendor has into `folder`; snapshot and timestamp are signed for it."""
    exported = copy.deepcopy(vendor)
    exported.repository.timestamp.unrecognized_fields[OFFLINE] = True
    exported.repository.sign_online()
    exported.lay_out()
    for path, raw in exported.files.items():
        place = folder / path.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(raw)
    return folder
