"""Where a rollback goes: to what is kept here, was neither withdrawn nor halted, and is on the site's list. Pure."""

from packaging.version import Version

from spot_client.decide.back import way_back
from spot_client.decide.choose import Why
from spot_client.decide.site import Rule
from spot_client.decide.stops import Stop, Stops
from spot_client.errors import RefusedLocally
from spot_client.state import ComponentState, Installed


def choose(
    component: str, known: ComponentState, stops: Stops, rule: Rule, wanted: Version | None
) -> tuple[Installed, tuple[tuple[Installed, Stop], ...]]:
    """The release to go back to, only `wanted` if it is given; and those that were passed over, with what stops them.

    Raises:
        RefusedLocally: reason `nothing-to-go-back-to`, `withdrawn`, `halted` or `not-approved-here`.
    """
    below = known.current.version
    allowed = [release for release in known.kept if rule.objection(component, release) is None]
    target, passed = way_back(allowed, stops, below=below, wanted=wanted)
    if target is not None:
        return target, passed
    barred, _ = way_back(known.kept, stops, below=below, wanted=wanted)
    if barred is not None:
        objection = rule.objection(component, barred)
        raise RefusedLocally(Why.NOT_APPROVED_HERE.value, f"{component} stays as it is: {objection}.")
    step = f"'spot install {component} --version VERSION' goes to any that is on offer."
    if passed:
        stopped, stop = passed[0]
        what = f"{stopped.version}, which is kept here, {stop.told}"
        raise RefusedLocally(stop.kind.value, f"{component} stays as it is: {what}. {step}")
    kept = ", ".join(release.version for release in known.kept) or "none"
    what = f"No such version of {component} older than {below} is kept here (kept: {kept})"
    raise RefusedLocally("nothing-to-go-back-to", f"{what}: {step}")
