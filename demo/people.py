"""The vendor's people in the demo: who holds which key, and what two of them do together, or one alone.

Each has a folder of their own, which stands for a machine or stick of their own, with the passphrase in a file beside
the key, which stands for what they remember.
"""

import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from demo.stage import Done, Stage, first

ROOT = ("root-1", "root-2", "root-3")
RELEASES = ("alice", "bob", "carol")
BOTOCORE = "sdk/botocore"


def ceremony(stage: Stage, mirror: Sequence[str]) -> int:
    """Three holders of the root and three people make keys, and two of each sign the first catalogue.

    Returns the process id of the timer, which makes it visible.
    """
    stage.title("Keys: three holders of the root, three people who release")
    for name in (*ROOT, *RELEASES):
        new_key(stage, name)
    roots = [part for name in ROOT for part in ("--root-key", f"people/{name}/{name}.pub")]
    others = [part for name in RELEASES for part in ("--person", f"people/{name}/{name}.pub")]
    stage.title("A mirror, and its first catalogue: two of each sign it")
    stage.run("spot-mirror", "init", *mirror, *roots, *others, "--passphrase-file", "mirror.pass")
    timer = stage.timer("mirror.toml", "mirror.pass")
    sign_elsewhere(stage, "root-1", "root-3")
    approve(stage, "alice")
    approve(stage, "bob")
    stage.until_visible()
    listed = stage.run("spot-mirror", "keys", "list").output
    found = [first(rf"(?m)^{role} +(\d of \d)", listed) for role in ("root", "targets", "halts")]
    what = "who signs: the root, releases, a halt"
    stage.expect(what, "2 of 3, 2 of 3, 1 of 3", ", ".join(found))
    return timer


def two_people(stage: Stage, newer: Path) -> None:
    """What one person published is seen by nobody before another has approved it."""
    stage.title("A new version: alice publishes it, and cannot approve it, too")
    publish(stage, "alice", BOTOCORE, "1.40.1", newer, "--severity", "bug")
    said = stage.run("spot", "--root", "acme", "check").output
    stage.expect("what alice alone published", "not visible", "visible" if "1.40.1" in said else "not visible")
    done = stage.run("spot-mirror", "approve", *signer("alice"), fails=True)
    stage.expect("alice approves it herself", "exit 8: signed already", done.told("already", "signed already"))
    stage.title("carol looks at it, and approves it")
    stage.run("spot-mirror", "approve", "--dry-run", *signer("carol"))
    approve(stage, "carol")
    stage.until_visible()
    said = stage.run("spot", "--root", "acme", "check").output
    stage.expect("and once carol approved it", "visible", "visible" if "1.40.1" in said else "not visible")


def stop_and_withdraw(stage: Stage) -> None:
    """One person stops a release, two withdraw it."""
    stage.title("1.40.1 breaks something: acme goes back, and carol alone stops it for all")
    stage.run("spot", "--root", "acme", "rollback", BOTOCORE)
    stage.run("spot-mirror", "halt", BOTOCORE, "1.40.1", "--reason", "it breaks logins", *signer("carol"))
    stage.until_visible()
    done = install(stage, "1.40.1")
    stage.expect("acme asks for what is halted", "exit 6: halted", done.told("halted", "halted"))
    stage.run("spot-mirror", "halts")
    stage.title("It was something else: bob lets it go on")
    stage.run("spot-mirror", "resume", BOTOCORE, "1.40.1", *signer("bob"))
    stage.until_visible()
    stage.expect("acme after that", *now("1.40.1", stage.run("spot", "--root", "acme", "update")))
    stage.title("It was not: carol withdraws it for ever, alice approves that")
    stage.run("spot-mirror", "withdraw", BOTOCORE, "1.40.1", "--reason", "it breaks logins", *signer("carol"))
    approve(stage, "alice")
    stage.until_visible()
    what = "acme leaves what was withdrawn"
    stage.expect(what, *now("1.40.0", stage.run("spot", "--root", "acme", "update")))
    done = install(stage, "1.40.1")
    stage.expect("and does not go to it again", "exit 6: withdrawn", done.told("withdrawn", "withdrawn"))


def stolen_key(stage: Stage, newer: Path) -> None:
    """A stolen key is replaced, with those of snapshot and timestamp; products notice nothing."""
    stage.title("bob's key is stolen: dave's takes its place, and snapshot and timestamp get new ones")
    new_key(stage, "dave")
    stage.run("spot-mirror", "keys", "add", "people/dave/dave.pub")
    stage.run("spot-mirror", "keys", "replace", "bob", "dave", "--passphrase-file", "mirror.pass")
    sign_elsewhere(stage, "root-1", "root-2")
    approve(stage, "alice")
    approve(stage, "dave")
    stage.until_visible()
    listed = stage.run("spot-mirror", "keys", "list").output
    found = [first(rf"(?m)^{role} +\d of \d +(\S.*)", listed) for role in ("targets", "timestamp")]
    stage.expect("who signs now", "alice, carol, dave; timestamp-2", "; ".join(found))
    halt = ("halt", BOTOCORE, "1.40.0", "--reason", "says a thief")
    done = stage.run("spot-mirror", *halt, *signer("bob"), fails=True)
    stage.expect("the stolen key", "exit 8: does not sign", done.told("does not sign", "does not sign"))
    stage.title("A mended version, by dave and carol")
    publish(stage, "dave", BOTOCORE, "1.40.1.post1", newer, "--severity", "bug", "--level", "3")
    approve(stage, "carol")
    stage.until_visible()
    done = stage.run("spot", "--root", "acme", "update")
    stage.expect("acme goes on, under the new keys", *now("1.40.1.post1", done))


def new_key(stage: Stage, name: str) -> None:
    """Somebody makes a key, in a folder of their own."""
    folder = stage.folder / "people" / name
    folder.mkdir(mode=0o700, parents=True)
    secret = folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text(f"{secrets.token_urlsafe(24)}\n")
    stage.run("spot-mirror", "keys", "create", name, *signer(name)[2:])


def signer(name: str) -> tuple[str, ...]:
    """The options by which somebody signs."""
    folder = f"people/{name}"
    return ("--as", name, "--keys", folder, "--passphrase-file", f"{folder}/passphrase")


def publish(stage: Stage, name: str, component: str, version: str, source: Path, *options: str) -> None:
    """Somebody publishes a release, which then waits for somebody else."""
    stage.run("spot-mirror", "publish", component, version, str(source), *options, *signer(name))


def approve(stage: Stage, name: str) -> None:
    """Somebody signs what waits."""
    stage.run("spot-mirror", "approve", *signer(name))


def sign_elsewhere(stage: Stage, *names: str) -> None:
    """Holders of the root sign on machines without a network: files go there and come back."""
    stage.run("spot-mirror", "signing", "export", "to-sign")
    for name in names:
        stage.run("spot-mirror", "signing", "sign", "to-sign", f"signed-{name}", *signer(name))
        stage.run("spot-mirror", "signing", "import", f"signed-{name}")


def install(stage: Stage, version: str) -> Done:
    """acme asks for a version that it does not get."""
    return stage.run("spot", "--root", "acme", "install", BOTOCORE, "--version", version, fails=True)


def now(version: str, done: Done) -> tuple[str, str]:
    """The version that acme should be at, and the one that it says it is at, for the table."""
    return re.escape(version), first(r"sdk/botocore is now (\S+)\.", done.output)
