"""An option in the wrong place: the error says where it belongs, instead of that there is none of that name."""

from collections.abc import Iterator, Sequence
from typing import Any

import click


class Guiding(click.Group):
    """A group of commands that knows what stands before its commands, and what after them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; an option of one of the commands is told to stand after it."""
        words = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _after(error, ctx, words) or error from None

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; an option of a group is told to stand before its commands."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            raise _before(error) or error from None


def _before(error: click.NoSuchOption) -> click.UsageError | None:
    """What to say of an option that belongs to a group above the command that was given it."""
    if error.ctx is None:
        return None
    holder = error.ctx.parent
    while holder is not None:
        if option := _option(holder.command, error.option_name):
            below = error.ctx.command_path.removeprefix(holder.command_path).strip()
            usage = _usage(option, error.option_name, holder)
            sentence = f"{error.option_name} stands before the command: {holder.command_path} {usage} {below} …"
            return click.UsageError(sentence, error.ctx)
        holder = holder.parent
    return None


def _after(error: click.NoSuchOption, ctx: click.Context, words: Sequence[str]) -> click.UsageError | None:
    """What to say of an option that the command takes which stands behind it; or any, if none does."""
    named, path = _named(ctx.command, words)
    options = [option for command in _within(named) if (option := _option(command, error.option_name))]
    if not options:
        return None
    whole = " ".join([ctx.command_path, *path]) if path else f"{ctx.command_path} COMMAND"
    usage = _usage(options[0], error.option_name, ctx)
    return click.UsageError(f"{error.option_name} stands after the command: {whole} {usage} …", ctx)


def _named(command: click.Command, words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` name, and the names that lead to it; options and their values are passed over."""
    path = []
    for word in words:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            path.append(word)
    return command, path


def _within(command: click.Command) -> Iterator[click.Command]:
    yield command
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _within(inner)


def _option(command: click.Command, name: str) -> click.Option | None:
    found = (one for one in command.params if isinstance(one, click.Option) and name in one.opts)
    return next(found, None)


def _usage(option: click.Option, name: str, ctx: click.Context) -> str:
    return name if option.is_flag else f"{name} {option.make_metavar(ctx)}"
