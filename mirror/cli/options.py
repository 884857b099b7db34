"""What the commands of spot-mirror share: how the configuration is found.

`--config FILE` may stand before the command, or after it; the one after it counts. `publish` alone has another
`--config` of its own, the patterns of configuration files in a release, so there it can only stand before.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_FILE: Final = click.Path(path_type=Path, dir_okay=False)

F = TypeVar("F", bound=Callable[..., Any])


def program_config_option(group: F) -> F:
    """The option of the program itself; `config_option` and `program_config` find it."""
    return click.option(
        "--config",
        "config_path",
        type=_FILE,
        default=Path("mirror.toml"),
        envvar="SPOT_MIRROR_CONFIG",
        show_default=True,
        show_envvar=True,
        help="The mirror's configuration.",
    )(group)


def config_option(command: F) -> F:
    """The option `--config FILE` of a command, passed on as `config_path: Path`."""
    return click.option(
        "--config",
        "config_path",
        type=_FILE,
        callback=lambda context, _option, value: value or _of_program(context),
        help="The mirror's configuration, as before the command.",
    )(command)


def program_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Pass the program's configuration on as `config_path: Path`, to a command without such an option."""

    @functools.wraps(command)
    def with_config(*arguments: Any, **options: Any) -> Any:
        return command(*arguments, config_path=_of_program(click.get_current_context()), **options)

    return with_config


def _of_program(context: click.Context) -> Path:
    path: Path = context.find_root().params["config_path"]
    return path
