"""The commands `releases` and `release show`: what was published."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ca.misplaced import Guiding
from mirror import catalogue, config
from mirror.blobs import Blobs, LocalBlobs
from mirror.cli.checking import FOUND_SOMETHING
from mirror.cli.options import config_option
from mirror.cli.output import json_document, rfc3339, table, utc
from mirror.cli.progress import size
from mirror.cli.store import json_option
from mirror.errors import BlobFault
from mirror.place import Place
from mirror.publishing.examine import Examined, Health, examine
from mirror.publishing.stored import pack_length
from spot_client.wire import names
from spot_client.wire.index import Index, Release, Tombstone
from spot_client.wire.manifest import Directory, Entry, File, Manifest, Symlink

_HEAD = ("COMPONENT", "VERSION", "PLATFORM", "CHANNELS", "PUBLISHED", "SEVERITY", "MANIFEST", "PACK", "STATE")
_MOST_NAMED = 20
_FILES_HEAD = ("MODE", "SIZE", "KIND", "SHA-256", "PATH")


@click.command(short_help="List what was published.")
@click.argument("what", metavar="[PRODUCT[/COMPONENT]]", default="")
@json_option
@config_option
def releases(what: str, *, as_json: bool, config_path: Path) -> None:
    """List what was published: all of it, or of one product or component.

    The state says whether manifest and pack are there in their length; 'release show' reads them.

    \b
    --json: a list of
      component, version, platform, channels, published, severity, restart (true or false),
      manifest_length, pack_length (bytes), state ("on-offer", "damaged", "missing" or "withdrawn"),
      withdrawn, reason (of the withdrawal); null for what does not apply
    """
    loaded = config.load(config_path)
    wanted = _wanted(what)
    known = catalogue.load(loaded.data_dir / "catalogue")
    blobs = LocalBlobs(loaded.data_dir)
    found = [
        line
        for key, offered in sorted(known.indexes.items())
        if key[: len(wanted)] == wanted
        for line in _lines(offered, blobs)
    ]
    if as_json:
        click.echo(json_document(found))
    elif found:
        click.echo(table(_HEAD, map(_row, found)))
    else:
        click.echo(_nothing(what, wanted, known.indexes))


@click.group(cls=Guiding)
def release() -> None:
    """Look at one release."""


@release.command(short_help="Show all of a release.")
@click.argument("component", metavar="PRODUCT/COMPONENT")
@click.argument("version")
@click.option("--platform", help="Which one, if the version is published for several: any, linux-x86_64, ...")
@click.option("--files", is_flag=True, help="List its files, folders and links, too.")
@json_option
@config_option
def show(*, component: str, version: str, platform: str | None, files: bool, as_json: bool, config_path: Path) -> None:
    """Show all of a release: what the catalogue says, what it consists of, and whether its bytes are whole.

    Manifest and pack are read, and held to the digests that were signed. Exits with 9 if they are damaged or missing.

    \b
    --json: component, version, platform, channels, severity, published, restart (true or false),
      requires (versions by component), notes, manifest (length, head_sha256),
      content (pack_length, blocks, files, size, kinds, hooks; null if the manifest cannot be read),
      signed (role, version, expires, threshold, keys), state ("whole", "damaged" or "missing"), and
      with --files entries: type ("file", "folder" or "link"), path, mode, size, sha256, kind, target
    """
    loaded = config.load(config_path)
    found = examine(Place(loaded.data_dir, LocalBlobs(loaded.data_dir)), component, version, platform)
    if as_json:
        click.echo(json_document(_document(found, files=files)))
    else:
        _print(found, files=files)
    if found.health is not Health.WHOLE:
        raise click.exceptions.Exit(FOUND_SOMETHING)


def _print(found: Examined, *, files: bool) -> None:
    click.echo(f"{found.product}/{found.component} {found.release.version} ({found.release.platform})")
    for name, value in _facts(found):
        click.echo(f"  {name:<10}{value}")
    if found.release.notes:
        click.echo("\n" + "\n".join(f"    {line}" for line in found.release.notes.splitlines()))
    if files and found.manifest is not None:
        click.echo("\n" + table(_FILES_HEAD, map(_file_row, found.manifest.entries)))


def _wanted(what: str) -> tuple[str, ...]:
    if "/" in what:
        return names.split_component(what)
    return (names.check_product(what),) if what else ()


def _nothing(what: str, wanted: tuple[str, ...], indexes: Mapping[tuple[str, str], Index]) -> str:
    """What to say of what has no release; a slip in a component's name is seen beside those that there are."""
    others = [f"{product}/{name}" for product, name in sorted(indexes) if wanted and product == wanted[0]]
    if not others:
        return f"Nothing is published{f' of {what}' if what else ''} yet. Next: spot-mirror publish --help"
    shown = ", ".join(others[:_MOST_NAMED]) + (", ..." if len(others) > _MOST_NAMED else "")
    return f"Nothing is published of {what} yet. Of {wanted[0]} there is: {shown}"


def _lines(offered: Index, blobs: Blobs) -> Iterator[dict[str, Any]]:
    for line in offered.releases:
        yield _on_offer(offered, line, blobs)
    for gone in offered.tombstones:
        yield _withdrawn(offered, gone)


def _on_offer(offered: Index, line: Release, blobs: Blobs) -> dict[str, Any]:
    pack, state = _stored(f"releases/{offered.product}/{offered.component}/{line.version}/{line.platform}", line, blobs)
    return {
        "component": f"{offered.product}/{offered.component}",
        "version": line.version,
        "platform": line.platform,
        "channels": list(line.channels),
        "published": line.published,
        "severity": line.severity.value,
        "restart": line.restart,
        "manifest_length": line.manifest.length,
        "pack_length": pack,
        "state": state,
        "withdrawn": None,
        "reason": None,
    }


def _withdrawn(offered: Index, gone: Tombstone) -> dict[str, Any]:
    return {
        "component": f"{offered.product}/{offered.component}",
        "version": gone.version,
        "platform": gone.platform,
        **dict.fromkeys(("channels", "published", "severity", "restart", "manifest_length", "pack_length")),
        "state": "withdrawn",
        "withdrawn": gone.withdrawn,
        "reason": gone.reason,
    }


def _stored(key: str, line: Release, blobs: Blobs) -> tuple[int | None, str]:
    try:
        whole = blobs.length(f"{key}/manifest") == line.manifest.length
        return blobs.length(f"{key}/pack"), "on-offer" if whole else "damaged"
    except BlobFault:
        return None, "missing"


def _row(line: dict[str, Any]) -> tuple[str, ...]:
    if line["state"] == "withdrawn":
        state = f"withdrawn {_spaced(line['withdrawn'])}"
        return (line["component"], line["version"], line["platform"], "", "", "", "", "", state)
    pack = "" if line["pack_length"] is None else size(line["pack_length"])
    return (
        line["component"],
        line["version"],
        line["platform"],
        ",".join(line["channels"]),
        _spaced(line["published"]),
        line["severity"],
        size(line["manifest_length"]),
        pack,
        line["state"].replace("-", " "),
    )


def _facts(found: Examined) -> Iterator[tuple[str, str]]:
    line, signed = found.release, found.signed
    yield "channels", ", ".join(line.channels)
    yield "severity", line.severity.value
    yield "published", _spaced(line.published)
    yield "restart", "needed" if line.restart else "not needed"
    yield "requires", ", ".join(f"{name} {versions}".strip() for name, versions in line.requires.items()) or "nothing"
    yield "manifest", f"{size(line.manifest.length)}, SHA-256 of its first line {line.manifest.head}"
    if found.manifest is not None:
        yield from _content(found.manifest)
    by = f"{signed.threshold} of {signed.keys} key{'s' if signed.keys > 1 else ''}"
    yield "signed", f"by the role {signed.role} ({by}), version {signed.version}, good until {utc(signed.expires)}"
    yield "state", found.health.value


def _content(manifest: Manifest) -> Iterator[tuple[str, str]]:
    blocks = len(manifest.blocks)
    yield "pack", f"{size(pack_length(manifest))} in {blocks} block{'' if blocks == 1 else 's'}"
    count = len(manifest.files)
    yield "content", f"{count} file{'' if count == 1 else 's'}, {size(sum(file.size for file in manifest.files))}"
    yield "kinds", ", ".join(f"{number} {kind}" for kind, number in _kinds(manifest).items()) or "no file"


def _kinds(manifest: Manifest) -> dict[str, int]:
    return dict(sorted(Counter(file.kind.value for file in manifest.files).items()))


def _file_row(entry: Entry) -> tuple[str, ...]:
    match entry:
        case Directory():
            return (f"{entry.mode:04o}", "", "folder", "", f"{entry.path}/")
        case Symlink():
            return ("", "", "link", "", f"{entry.path} -> {entry.target}")
        case File():
            return (f"{entry.mode:04o}", size(entry.size), entry.kind.value, entry.sha256, entry.path)


def _document(found: Examined, *, files: bool) -> dict[str, Any]:
    line, signed = found.release, found.signed
    document = {
        "component": f"{found.product}/{found.component}",
        "version": line.version,
        "platform": line.platform,
        "channels": list(line.channels),
        "severity": line.severity.value,
        "published": line.published,
        "restart": line.restart,
        "requires": line.requires,
        "notes": line.notes,
        "manifest": {"length": line.manifest.length, "head_sha256": line.manifest.head},
        "content": None if found.manifest is None else _content_document(found.manifest),
        "signed": {
            "role": signed.role,
            "version": signed.version,
            "expires": rfc3339(signed.expires),
            "threshold": signed.threshold,
            "keys": signed.keys,
        },
        "state": found.health.value,
    }
    if files:
        document["entries"] = None if found.manifest is None else [*map(_entry_document, found.manifest.entries)]
    return document


def _content_document(manifest: Manifest) -> dict[str, Any]:
    return {
        "pack_length": pack_length(manifest),
        "blocks": len(manifest.blocks),
        "files": len(manifest.files),
        "size": sum(file.size for file in manifest.files),
        "kinds": _kinds(manifest),
        "hooks": [
            {"event": hook.event, "command": [*hook.command], "timeout": hook.timeout} for hook in manifest.hooks
        ],
    }


def _entry_document(entry: Entry) -> dict[str, Any]:
    match entry:
        case Directory(path, mode):
            return {"type": "folder", "path": path, "mode": f"{mode:04o}"}
        case Symlink(path, target):
            return {"type": "link", "path": path, "target": target}
        case File():
            sizes = {"size": entry.size, "sha256": entry.sha256, "kind": entry.kind.value}
            return {"type": "file", "path": entry.path, "mode": f"{entry.mode:04o}", **sizes}


def _spaced(text: str) -> str:
    return text.replace("T", " ")
