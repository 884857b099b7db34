"""`spot-ca bundle`: what an installation package carries, for one customer or for a whole list of them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict, Unpack

import click
import msgspec

from ca.batch import Choices, Planned, make_bundles, plan_bundles
from ca.cli.options import Settings, days_option, dry_run_option, json_option, key_type_option, utc_now
from ca.cli.output import HANDED_BACK, print_json, short
from ca.customers import MAX_CSV, MAX_INSTALLATIONS, Wanted, read_customers
from ca.errors import BundleError, IssueError
from ca.facts import CertificateFacts, certificate_facts
from ca.files import read_file
from ca.identity import check_id
from ca.packing import VendorSide, read_vendor_side, tidy
from ca.profiles import KeyType
from ca.vault import open_vault


class BundleOptions(TypedDict):
    """What holds for all bundles of a run."""

    key_type: str
    days: int | None
    enrol_only: bool
    installations: int | None
    dry_run: bool
    as_json: bool


class There(msgspec.Struct, frozen=True):
    """What a bundle that was skipped holds. state: `valid`, `expired`, `revoked`, or `unknown` to the ledger."""

    serial: str
    state: str


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one bundle; the fields are told in the help of the command."""

    customer: str
    path: str
    status: str
    certificate: CertificateFacts | None
    there: There | None
    earlier: tuple[str, ...]
    resumed: bool
    handed_back: bool


@click.command(short_help="Issue client certificates, in bundles.")
@click.argument("customer", required=False)
@click.option("--from", "source", type=click.Path(path_type=Path), help="List of customers, CSV; needs --out-dir.")
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    required=True,
    metavar="URL=PIN[,PIN…]",
    help="A mirror, https://HOST[:PORT], and the files of the server certificates that it may show; repeatable.",
)
@click.option("--catalogue-root", required=True, type=click.Path(path_type=Path), help="The TUF root.json.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write, for CUSTOMER.")
@click.option(
    "--out-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the bundles of --from; made if it is missing.",
)
@click.option("--enrol-only", is_flag=True, help="The key in the bundle can do nothing but enrol.")
@click.option(
    "--installations",
    type=click.IntRange(1, MAX_INSTALLATIONS),
    help="How many installations may enrol with it; goes with --enrol-only.",
)
@key_type_option
@days_option
@dry_run_option
@json_option
@click.pass_obj
def bundle(
    settings: Settings,
    *,
    customer: str | None,
    source: Path | None,
    mirrors: tuple[str, ...],
    catalogue_root: Path,
    out: Path | None,
    out_dir: Path | None,
    **options: Unpack[BundleOptions],
) -> None:
    """Issue client certificates and write the bundles that installation packages carry.

    Either for one CUSTOMER, to --out; or for each of the list --from, to --out-dir. A bundle holds a private key: only
    its owner may read it.

    With --enrol-only the key in it is good for nothing but enrolment, of so many --installations, until it ends: each
    machine makes a key of its own, and asks for a certificate for it.

    The list is CSV in UTF-8, 10,000 rows at most. Its first line names the columns: customer, and if you like file (a
    name in --out-dir, else CUSTOMER.bundle), key_type, days and installations. Everything is checked before the first
    certificate is issued. A bundle that is there already is skipped: a run that was stopped, or a longer list, is
    simply run again. Other spot-ca commands wait, or end with 5, until it is done.

    \b
    --json prints:
      dry_run   true or false
      bundles   a list of: customer, path, status (written, skipped, or planned
                with --dry-run), certificate (as spot-ca show --json; null
                unless written), there (what the bundle that was skipped holds:
                serial and state; else null), earlier (serials of other valid
                certificates of that customer), resumed (a key of an
                interrupted run was taken up), handed_back (so was its
                certificate: key and days are as they were asked for then)
    """
    if source is None and out_dir is None and customer is not None and out is not None:
        wanted, folder = _one(customer, out, dry_run=options["dry_run"]), out.parent
    elif source is not None and out_dir is not None and customer is None and out is None:
        wanted, folder = read_customers(read_file(source, max_bytes=MAX_CSV, refusal=IssueError)), out_dir
    else:
        raise click.UsageError("Give CUSTOMER and --out, or --from and --out-dir.")
    side = read_vendor_side(mirrors, catalogue_root)
    done: list[Done] = []
    for one, total in _run(settings, wanted, folder, side, options):
        done.append(one)
        if source is not None and not options["as_json"]:
            click.echo(f"[{len(done)}/{total}] {_line(one)}")
    if options["as_json"]:
        print_json({"dry_run": options["dry_run"], "bundles": done})
    elif source is not None:
        _tell_all(done, dry_run=options["dry_run"])
    else:
        _tell_one(done[0])


def _one(customer: str, out: Path, *, dry_run: bool) -> tuple[Wanted, ...]:
    check_id("customer", customer)
    if os.path.lexists(out):
        if not dry_run:
            with suppress(BundleError):
                tidy(out)
        raise IssueError("exists", f"{out} is there already: move it away, or name another --out.")
    if not out.parent.is_dir():
        raise IssueError("missing-folder", f"There is no folder {out.parent}: make it first.")
    return (Wanted(customer, out.name),)


def _run(
    settings: Settings, wanted: Sequence[Wanted], folder: Path, side: VendorSide, options: BundleOptions
) -> Iterator[tuple[Done, int]]:
    """Each bundle as it is done (or only planned), and how many there are."""
    choices = Choices(KeyType(options["key_type"]), options["days"], options["enrol_only"], options["installations"])
    if options["dry_run"]:
        with open_vault(settings.folder) as vault:
            plan = plan_bundles(vault, wanted, folder, choices, utc_now())
        for one in plan:
            yield _done(one, "planned"), len(plan)
        return
    with settings.signer() as (vault, signer):
        plan = plan_bundles(vault, wanted, folder, choices, utc_now())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one, certified in make_bundles(vault, plan, side, signer, utc_now):
            if certified is None:
                yield _done(one, "skipped"), len(plan)
                continue
            entry = vault.ledger.entry(f"{certified.certificate.serial_number:x}")
            facts = certificate_facts(certified.certificate, entry, utc_now())
            done = _done(one, "written", facts, resumed=certified.resumed, handed_back=certified.handed_back)
            yield done, len(plan)


def _done(
    one: Planned,
    status: str,
    facts: CertificateFacts | None = None,
    *,
    resumed: bool = False,
    handed_back: bool = False,
) -> Done:
    there = None if one.there is None else There(one.there, one.state or "unknown")
    return Done(
        customer=one.customer,
        path=str(one.path),
        status=status if there is None else "skipped",
        certificate=facts,
        there=there,
        earlier=tuple(serial for serial in one.earlier if facts is None or serial != facts.serial),
        resumed=resumed,
        handed_back=handed_back,
    )


def _line(one: Done) -> str:
    if one.there is not None:
        word = "" if one.there.state == "valid" else f", {one.there.state.upper()}: move it away for a new one"
        return f"{one.customer}: skipped, {one.path} is there already (certificate {one.there.serial}{word})"
    if one.certificate is None:
        return f"{one.customer}: would write {one.path}"
    facts = one.certificate
    note = ", issued by an earlier run" if one.handed_back else ""
    uses = "" if facts.uses is None else f", enrols {facts.uses}"
    return f"{one.customer}: wrote {one.path} (serial {facts.serial}, until {facts.not_after:%Y-%m-%d}{uses}{note})"


def _tell_one(one: Done) -> None:
    if one.certificate is None:
        click.echo(f"Nothing was made. Without --dry-run: {_line(one)}")
    else:
        click.echo(
            f"Wrote {one.path} for {one.customer}. It holds a private key: put it into the installation package."
        )
        click.echo("\n".join(short(one.certificate)))
        if one.certificate.uses is not None:
            click.echo(f"  enrols  {one.certificate.uses} installations, and can do nothing else")
        if one.handed_back:
            click.echo(HANDED_BACK)
    _tell_earlier([one])


def _tell_all(done: Sequence[Done], *, dry_run: bool) -> None:
    skipped = sum(one.there is not None for one in done)
    made = len(done) - skipped
    if dry_run:
        click.echo(f"Nothing was made. Bundles to write: {made}, to skip: {skipped}.")
    else:
        click.echo(f"Bundles written: {made}, skipped: {skipped}. Each holds a private key, for its customer only.")
    _tell_earlier(done)


def _tell_earlier(done: Sequence[Done]) -> None:
    """What an operator may have forgotten: certificates that stay good beside the new ones."""
    for one in done:
        if one.earlier and one.there is None:
            serials = ", ".join(one.earlier)
            hint = "revoke what is not used, with --only"
            click.echo(f"Note: {one.customer} has valid certificates from before, {serials}; {hint}.")


COMMANDS = (bundle,)
