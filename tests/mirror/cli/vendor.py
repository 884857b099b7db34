"""A vendor with people: three holders of the root and three who release, each with a folder and passphrase.

All commands are the real ones. The root's holders sign by files that are carried, people with their key at hand.
"""

from typing import Final

from tests.mirror.cli.shell import Result, Shell

ROOT: Final = ("root-1", "root-2", "root-3")
PEOPLE: Final = ("alice", "bob", "carol")


def make_keys(shell: Shell, *names: str) -> None:
    """Each makes a key in `stick-NAME`."""
    for name in names:
        folder = shell.folder / f"stick-{name}"
        folder.mkdir(mode=0o700)
        secret = folder / "passphrase"
        secret.touch(mode=0o600)
        secret.write_text(f"the passphrase of {name}\n")
        shell.done("keys", "create", name, *person(shell, name)[2:])


def person(shell: Shell, name: str) -> tuple[str, ...]:
    """The options by which somebody signs."""
    folder = str(shell.folder / f"stick-{name}")
    return ("--as", name, "--keys", folder, "--passphrase-file", f"{folder}/passphrase")


def founding(root: tuple[str, ...] = ROOT, people: tuple[str, ...] = PEOPLE) -> list[str]:
    """The words of `init` that say who signs."""
    holders = [word for name in root for word in ("--root-key", f"stick-{name}/{name}.pub")]
    others = [word for name in people for word in ("--person", f"stick-{name}/{name}.pub")]
    return ["init", "--realm", "build.example.com", *holders, *others]


def ceremony(shell: Shell, *, signed: bool = True) -> None:
    """Keys, `init`, and the first catalogue signed by two of each, and visible; or none of that, unless `signed`."""
    make_keys(shell, *ROOT, *PEOPLE)
    shell.done(*founding())
    if signed:
        carry(shell, "root-1", "root-3")
        approve(shell, "alice")
        approve(shell, "bob")
        shell.done("catalogue-timer", "--once")


def approve(shell: Shell, name: str, *words: str) -> Result:
    """Somebody signs what waits."""
    return shell.done("approve", *words, *person(shell, name))


def carry(shell: Shell, *names: str) -> None:
    """These sign on machines of their own."""
    shell.done("signing", "export", "to-sign")
    for name in names:
        shell.done("signing", "sign", "to-sign", f"signed-{name}", *person(shell, name))
        shell.done("signing", "import", f"signed-{name}")
