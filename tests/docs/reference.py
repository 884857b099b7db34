"""The reference of the commands, one page a program: what the code says, between marks, and what people wrote.

    python -m tests.docs.reference      writes the marked parts anew, and adds sections for commands that have none;
                                        and the table of attacks in docs/threat-model.md

Marked are a command's description, usage and options. Around them stand examples, which run in a test as they stand.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

import ca.cli
import mirror.cli
import spot_client.cli
from tests.docs import threat_model
from tests.docs.pages import DOCS

PROGRAMS: Final[dict[str, click.Command]] = {
    "spot": spot_client.cli.cli,
    "spot-ca": ca.cli.cli,
    "spot-mirror": mirror.cli.cli,
}
BEGIN: Final = "<!-- from the code -->"
END: Final = "<!-- end -->"


def page(program: str) -> Path:
    """Where the reference of a program stands."""
    return DOCS / "reference" / f"{program}.md"


def commands(program: str) -> Iterator[tuple[str, click.Command]]:
    """Every command of a program by its whole name, the program itself first."""

    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            for part, below in sorted(command.commands.items()):
                yield from walk(f"{name} {part}", below)

    return walk(program, PROGRAMS[program])


def marked(program: str, name: str, command: click.Command) -> str:
    """What the code says of one command; what it shares with its program is told there."""
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    whole = PROGRAMS[program]
    told = set() if command is whole else {(tuple(one.opts), one.help) for one in _options(whole)}
    own = [one for one in _options(command) if (tuple(one.opts), one.help) not in told]
    shared = [one for one in _options(command) if one not in own]
    summary, *rest = map(_paragraph, _paragraphs(command.help or ""))
    parts = [summary, f"    {usage}", *rest]
    if own:
        rows = [one.get_help_record(context) for one in own]
        lines = [f"| `{_form(row[0])}` | {_cell(row[1])} |" for row in filter(None, rows)]
        parts.append("\n".join(["| option | meaning |", "| --- | --- |", *lines]))
    if shared:
        parts.append(f"Also, as with `{program}` itself: {', '.join(f'`{one.opts[-1]}`' for one in shared)}.")
    parts += [_paragraph(said) for said in _epilog(command, whole)]
    return "\n\n".join([BEGIN, *parts, END])


def refreshed(program: str, text: str) -> str:
    """A page with its marked parts as the code has them now."""
    for name, command in commands(program):
        heading = f"## `{name}`\n"
        if heading not in text:
            text = f"{text.rstrip()}\n\n{heading}\n{BEGIN}\n{END}\n"
        at = text.index(heading)
        begin, end = text.index(BEGIN, at), text.index(END, at)
        text = text[:begin] + marked(program, name, command) + text[end + len(END) :]
    return text


def _options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option) and "--help" not in one.opts]


def _epilog(command: click.Command, whole: click.Command) -> list[str]:
    """The paragraphs below a command's help, but those of its program: the exit codes above all."""
    told = [] if command is whole else _paragraphs(whole.epilog or "")
    return [part for part in _paragraphs(command.epilog or "") if part not in told]


def _paragraphs(text: str) -> list[str]:
    parts = [part.strip("\n") for part in re.split(r"\n\s*\n", inspect.cleandoc(text))]
    return [part for part in parts if part.strip()]


def _paragraph(text: str) -> str:
    r"""A paragraph as click writes it; one under `\b` keeps its lines."""
    if text.startswith("\b"):
        return "\n".join(["```text", text.removeprefix("\b").strip("\n"), "```"])
    return _plain(" ".join(line.strip() for line in text.splitlines()))


def _plain(text: str) -> str:
    """Text in which nothing is Markdown by accident; what is quoted and has a `*` becomes code."""
    return re.sub(r"'([^' ]*\*[^' ]*)'|([*<])", lambda hit: f"`{hit[1]}`" if hit[1] else f"\\{hit[2]}", text)


def _form(text: str) -> str:
    return " ".join(text.replace("INTEGER RANGE", "INTEGER").split()).replace("|", "\\|")


def _cell(text: str) -> str:
    text = re.sub(r"(\d+)<=x<=(\d+)", r"\1 to \2", text)
    text = re.sub(r"x>=(\d+)", r"\1 or more", text)
    return _plain(" ".join(text.split())).replace("|", "\\|")


def main() -> None:
    """Write the pages anew."""
    for program in PROGRAMS:
        path = page(program)
        text = path.read_text() if path.exists() else f"# Reference: {program}\n"
        path.write_text(refreshed(program, text))
    threat_model.main()


if __name__ == "__main__":
    main()
