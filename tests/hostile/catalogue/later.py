"""Attacks whose guard is not built yet: name of the attack, what is missing. To be emptied."""

from typing import Final

_RULES = "spot_client/fetch/rules.py: rules about roles, held to what comes in before it is kept"
_TRUST = "SPOT reads house/trust.json"

LATER: Final[dict[str, str]] = {
    "role-name-that-climbs": _RULES,
    "role-names-that-clash": _RULES,
    "role-named-root": _RULES,
    "role-for-paths-of-another": _RULES,
    "role-handed-on": _RULES,
    "stolen-house-key": _TRUST,
}
