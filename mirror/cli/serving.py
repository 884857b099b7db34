"""`spot-mirror serve`: the content listener, in the foreground."""

from pathlib import Path

import click

from mirror import config
from mirror.cli.options import config_option


@click.command(short_help="Serve the catalogue and releases.")
@config_option
def serve(config_path: Path) -> None:
    """Serve catalogue and releases to licensed clients over mutual TLS, until SIGTERM or SIGINT.

    Prints one line when it is ready. One process keeps the records, and content.workers others serve. Licences,
    revocation lists and the catalogue are looked at ten times a second; a bad new one is refused and logged, and the
    last good one stays. Configuration, certificates and issuing CAs are read at the start and on SIGHUP.

    \b
    SIGTERM, SIGINT  finish what runs, for content.drain_seconds at most; a second one ends at once
    SIGHUP           open audit.jsonl anew, and serve by the configuration and certificates as they are now: new
                     processes begin, and the old ones finish what runs, for content.reload_drain_seconds at most;
                     a bad configuration changes nothing and is logged
    """
    loaded = config.load(config_path)
    from mirror.server import serve as run

    run(loaded, click.echo, lambda: config.load(config_path))


COMMANDS: tuple[click.Command, ...] = (serve,)
