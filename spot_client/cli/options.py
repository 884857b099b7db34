"""The options that all commands of `spot` have, before or after the command's name, and those that some share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from spot_client.cli.failures import check_encoding
from spot_client.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value:
        setattr(context.ensure_object(Session), str(parameter.name), value)


def common(*, of_group: bool) -> list[click.Parameter]:
    """The options of all commands. Only the group reads the environment: what is written after a command wins."""
    return [
        click.Option(["-q", "--quiet"], is_flag=True, help="Print results and errors only.", **_QUIETLY),
        click.Option(
            ["-v", "--verbose"], is_flag=True, help="Also say what is fetched, and from where (on stderr).", **_QUIETLY
        ),
        click.Option(
            ["--log-file"],
            type=click.Path(path_type=Path),
            envvar="SPOT_LOG_FILE" if of_group else None,
            show_envvar=of_group,
            help="Also append everything to this file; it and its predecessor stay below 10 MB.",
            **_QUIETLY,
        ),
    ]


_QUIETLY: dict[str, Any] = {"expose_value": False, "callback": _remember}


class Command(click.Command):
    """A command of spot, with the options that all have."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common(of_group=False)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Read its options; one that stands elsewhere is told so."""
        try:
            return super().parse_args(context, args)
        except click.NoSuchOption as error:
            ours = context.find_root().command.params
            if any(error.option_name in parameter.opts for parameter in ours):
                where = f"spot {error.option_name} ... {context.info_name}"
                told = f"'{error.option_name}' stands before the command: {where}"
                raise click.UsageError(told, context) from error
            raise

    def invoke(self, context: click.Context) -> Any:
        """Run it, now that all options are known."""
        context.ensure_object(Session).start()
        check_encoding()
        return super().invoke(context)


def json_option(command: F) -> F:
    """The option `--json`."""
    return click.option(
        "--json", is_flag=True, help="Print one JSON document.", expose_value=False, callback=_remember
    )(command)


def exit_code_option(command: F) -> F:
    """The option `--exit-code`."""
    return click.option("--exit-code", is_flag=True, help="Exit with 10 if there was nothing to do.")(command)


def source_option(command: F) -> F:
    """The option `--from FOLDER`, of what reads the catalogue."""
    return click.option(
        "--from",
        "source",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Use the offline set in FOLDER, and no network.",
        expose_value=False,
        callback=_remember,
    )(command)


def spread_option(command: F) -> F:
    """The option `--spread SECONDS`, of what timers call."""
    return click.option(
        "--spread",
        type=click.IntRange(0, 86400),
        metavar="SECONDS",
        help="First wait, by chance, up to so long: many machines with one timer do not come at once then.",
        expose_value=False,
        callback=_remember,
    )(command)


def clock_option(command: F) -> F:
    """The option `--reset-clock`, of what relies on expiry."""
    return click.option(
        "--reset-clock",
        is_flag=True,
        help="Forget when the catalogue was verified last, if this machine's clock agrees with the mirror's.",
        expose_value=False,
        callback=_remember,
    )(command)
