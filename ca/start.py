"""Where the script `spot-ca` begins: before anything is imported that may not be installed."""

from ca.extras import needing


def main() -> None:
    """Entry point of the script `spot-ca`."""
    with needing("spot-ca", "ca"):
        from ca.cli import main as run

        run()
