"""What the commands of spot-mirror share: how the configuration is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """The option `--config FILE`, passed on as `config_path: Path`."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("mirror.toml"),
        envvar="SPOT_MIRROR_CONFIG",
        show_default=True,
        show_envvar=True,
        help="The mirror's configuration.",
    )(command)
