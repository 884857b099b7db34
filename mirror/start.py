"""Where the script `spot-mirror` begins: before anything is imported that may not be installed."""

from ca.extras import needing


def main() -> None:
    """Entry point of the script `spot-mirror`."""
    with needing("spot-mirror", "mirror"):
        from mirror.cli import main as run

        run()
