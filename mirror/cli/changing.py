"""The commands `withdraw`, `halt`, `resume`, `halts` and `baseline`: changes that need no source."""

from pathlib import Path
from typing import Any

import click

from ca.misplaced import Guiding
from mirror.cli.options import config_option
from mirror.cli.output import json_document, table
from mirror.cli.signers import say_settled, signer_options, signing, waits_document
from mirror.cli.store import json_option
from mirror.publishing import changes
from mirror.signing.draft import Draft
from mirror.signing.means import Signing
from mirror.signing.roles import OWN_ROLES, TOP_ROLES
from mirror.signing.stage import Settled
from spot_client.wire import halts as halting
from spot_client.wire import names

_platform = click.option("--platform", metavar="PLATFORM", help="Only for this platform; by default for all.")
_reason = click.option("--reason", required=True, metavar="TEXT", help="Why: customers read it.")


@click.command(short_help="Withdraw a release for ever.")
@click.argument("component", metavar="PRODUCT/COMPONENT")
@click.argument("version")
@_platform
@_reason
@signer_options
@json_option
@config_option
def withdraw(
    *, component: str, version: str, platform: str | None, reason: str, as_json: bool, config_path: Path, **signer: Any
) -> None:
    """Withdraw VERSION of PRODUCT/COMPONENT: no installation goes to it any more, and it never comes back.

    The index says so from then on, signed like a release by two people. Installations that have it go to the best
    version on offer at their next update. To stop a release for a while, and at once: 'spot-mirror halt'.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using = signing(config_path, **signer)
    settled = changes.withdraw(using, component, version, platform, reason)
    tell(using, settled, f"{component} {version} is withdrawn.", _product(component), as_json=as_json)


@click.command(short_help="Stop a release at once, for now.")
@click.argument("component", metavar="PRODUCT/COMPONENT")
@click.argument("version")
@_platform
@_reason
@signer_options
@json_option
@config_option
def halt(
    *, component: str, version: str, platform: str | None, reason: str, as_json: bool, config_path: Path, **signer: Any
) -> None:
    """Stop VERSION of PRODUCT/COMPONENT: no installation goes to it until 'spot-mirror resume'.

    One person's signature suffices, since a halt can offer nothing. What runs already is not touched.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using = signing(config_path, **signer)
    settled = changes.halt(using, component, version, platform, reason)
    tell(using, settled, f"{component} {version} is halted.", halting.ROLE, as_json=as_json)


@click.command(short_help="Let a release go on that was halted.")
@click.argument("component", metavar="PRODUCT/COMPONENT")
@click.argument("version")
@_platform
@signer_options
@json_option
@config_option
def resume(
    *, component: str, version: str, platform: str | None, as_json: bool, config_path: Path, **signer: Any
) -> None:
    """Let VERSION of PRODUCT/COMPONENT go on: what its product's people signed for it counts again.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using = signing(config_path, **signer)
    settled = changes.resume(using, component, version, platform)
    tell(using, settled, f"{component} {version} is not halted any more.", halting.ROLE, as_json=as_json)


@click.command(short_help="List what is halted.")
@json_option
@config_option
def halts(*, as_json: bool, config_path: Path) -> None:
    """List what is halted, since when and why.

    \b
    --json: a list of component, version, platform, since, reason
    """
    using = signing(config_path)
    draft = Draft(using)
    products = sorted(draft.known.products.keys() - {*OWN_ROLES, *TOP_ROLES})
    found = [
        {
            "component": f"{product}/{one.component}",
            "version": one.version,
            "platform": one.platform,
            "since": one.since,
            "reason": one.reason,
        }
        for product in products
        for one in draft.halts(product).halts
    ]
    if as_json:
        click.echo(json_document(found))
    elif found:
        head = ("COMPONENT", "VERSION", "PLATFORM", "SINCE", "REASON")
        click.echo(table(head, [[*map(str, line.values())] for line in found]))
    else:
        click.echo("Nothing is halted.")


@click.group(cls=Guiding, short_help="Publish and list named sets of versions.")
def baseline() -> None:
    """Named sets of versions of a product's components that belong together."""


@baseline.command("publish", short_help="Publish a baseline.")
@click.argument("product")
@click.argument("name")
@click.argument("components", metavar="COMPONENT=VERSION...", nargs=-1, required=True)
@click.option("--notes", default="", help="What it is, 8192 characters at most.")
@signer_options
@json_option
@config_option
def publish_baseline(
    *,
    product: str,
    name: str,
    components: tuple[str, ...],
    notes: str,
    as_json: bool,
    config_path: Path,
    **signer: Any,
) -> None:
    """Sign a set of versions of PRODUCT's components under NAME, such as 2026.1; it never changes.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    pairs = [one.partition("=") for one in components]
    if not all(component and version for component, _, version in pairs):
        raise click.UsageError("Write each as COMPONENT=VERSION, such as botocore=1.40.1.")
    versions = {component: version for component, _, version in pairs}
    if len(versions) < len(pairs):
        raise click.UsageError("Name each component once.")
    using = signing(config_path, **signer)
    settled = changes.baseline(using, product, name, versions, notes)
    tell(using, settled, f"{product} {name} is a baseline.", product, as_json=as_json)


@baseline.command("list", short_help="List the baselines of a product.")
@click.argument("product")
@json_option
@config_option
def list_baselines(*, product: str, as_json: bool, config_path: Path) -> None:
    """List the baselines of PRODUCT, the newest last; those that wait for signatures among them.

    \b
    --json: a list of name, published, notes, components (version by component)
    """
    names.check_product(product)
    using = signing(config_path)
    found = Draft(using).baselines(product).baselines
    if as_json:
        documents = [
            {"name": one.name, "published": one.published, "notes": one.notes, "components": one.components}
            for one in found
        ]
        click.echo(json_document(documents))
        return
    for one in found:
        click.echo(f"{one.name}  {one.published}  {one.notes}".rstrip())
        for component, version in sorted(one.components.items()):
            click.echo(f"  {component} {version}")
    if not found:
        click.echo(f"{product} has no baselines.")


def tell(using: Signing, settled: Settled, sentence: str, role: str | None = None, *, as_json: bool) -> None:
    """What came of a change, for people or programs; what waits of `role`, or of all."""
    version = settled.shown.version if settled.shown else None
    if as_json:
        answer = {"signed": [*settled.signed], "visible": version is not None, "catalogue_version": version}
        click.echo(json_document({**answer, "waits": waits_document(using.ring, settled.waits)}))
        return
    ready = all(line.ready for line in settled.waits if role in {None, line.role})
    when = "" if version is not None else ", at the timer's next turn." if ready else ", once that is signed:"
    click.echo(f"{sentence.removesuffix('.')}{when or '.'}")
    say_settled(using.ring, settled, None if role is None else {role})


def _product(component: str) -> str:
    return names.split_component(component)[0]


COMMANDS: tuple[click.Command, ...] = (withdraw, halt, resume, halts, baseline)
