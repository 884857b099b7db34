"""How long what this CA signs is good: `lifetimes.toml` in the CA's folder, whole days by profile.

    root, issuing, server, client, mirror, support, ca-operator     1 to 7,300 days (20 years)
    crl                 the issuing CA's CRL, 1 to 366 days: how long mirrors serve when no new one comes
    root-crl            the root's own CRL, 1 to 7,300 days: its key lies offline, and comes out for this alone

A key that is left out has its default, and so has everything without the file. Anything else in the file is refused:
a misspelled key would otherwise mean a default that nobody wanted. No profile may be longer than that of its issuer.

Where a lifetime would end after the issuer, `ca.issue` cuts it there; days that were asked for by hand are refused.

Pure: bytes in, values out.
"""

import tomllib
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ca.errors import CaError, IssueError
from ca.issue import CRL_LIFETIME
from ca.profiles import ISSUING, PROFILES, ROOT, Profile

MAX_DAYS: Final = 20 * 365
MAX_LIFETIMES: Final = 16 * 1024
"""Longest lifetimes.toml, in bytes."""

_CRL, _ROOT_CRL = "crl", "root-crl"
_MAX_CRL_DAYS = 366
_DEFAULTS: Final = {
    **{profile.name: profile.lifetime.days for profile in PROFILES},
    _CRL: CRL_LIFETIME.days,
    _ROOT_CRL: 365,
}
_COMMENTS: Final = {
    ROOT.name: "Read by init alone: what is signed stays as long as it is.",
    "server": "SPOT trusts a mirror by this very certificate: a successor must reach all machines before it ends.",
    "client": "Installed products; also in bundles.",
    _CRL: "A mirror that gets no new CRL for so long, and some days of grace, serves nobody.",
    _ROOT_CRL: "Needs the root's key, which lies offline.",
}


class Lifetimes(msgspec.Struct, frozen=True):
    """Days by the keys of the file; from `parse_lifetimes`."""

    days: dict[str, int]

    def applied(self, profile: Profile) -> Profile:
        """`profile` with the lifetime that this CA has chosen for it."""
        return msgspec.structs.replace(profile, lifetime=timedelta(days=self.days[profile.name]))

    def crl(self, authority: str) -> timedelta:
        """How long a CRL of a CA is good, by its name in `ca.authorities`."""
        return timedelta(days=self.days[_ROOT_CRL if authority.partition("-")[0] == ROOT.name else _CRL])


def parse_lifetimes(raw: bytes, *, source: str, refusal: type[CaError]) -> Lifetimes:
    """Read lifetimes.toml; empty bytes give the defaults.

    Args:
        source: names the file in the error.
        refusal: the class of error to raise.

    Raises:
        CaError: of class `refusal`; reason `bad-lifetimes`, naming everything that is wrong.
    """
    found: dict[str, Any] = {}
    try:
        problems = [f"it has more than {MAX_LIFETIMES} bytes"]
        if len(raw) <= MAX_LIFETIMES:
            found = tomllib.loads(raw.decode())
            problems = _problems(found)
    except RecursionError:
        problems = ["it is nested, and should have lines such as client = 730 only"]
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are such, too
        problems = [str(error)]
    if problems:
        raise refusal("bad-lifetimes", f"{source} cannot be used: {'; '.join(problems)}. Put that right.")
    return Lifetimes({**_DEFAULTS, **found})


def template() -> str:
    """A lifetimes.toml that says the defaults, with comments."""
    lines = [
        "# How long what this CA signs is good, in whole days. A line that is left out has the default shown here."
    ]
    for key, days in _DEFAULTS.items():
        lines += ["", f"# {_COMMENTS[key]}"] if key in _COMMENTS else []
        lines.append(f"{key} = {days}")
    return "\n".join(lines) + "\n"


def check_days(days: int, issuer_end: datetime, now: datetime) -> None:
    """Refuse days, asked for by hand, that end after the issuer does.

    Raises:
        IssueError: reason `outlives-issuer`.
    """
    left = (issuer_end - now).days
    if days > left:
        raise IssueError(
            "outlives-issuer",
            f"{days} days are too long: the issuing CA ends on {issuer_end:%Y-%m-%d}, so {max(left, 0)} days at most.",
        )


def _problems(found: dict[str, Any]) -> list[str]:
    unknown = [f"{key[:40]!r} is not one of {', '.join(_DEFAULTS)}" for key in found if key not in _DEFAULTS]
    wrong = [
        f"{key} is not a whole number of days from 1 to {_most(key)}"
        for key, days in found.items()
        if key in _DEFAULTS and (type(days) is not int or not 1 <= days <= _most(key))
    ]
    if unknown or wrong:
        return unknown[:3] + wrong
    days = {**_DEFAULTS, **found}
    pairs = [(profile.name, ISSUING.name) for profile in PROFILES if profile.path_length is None]
    return [
        f"{inner} ({days[inner]} days) would outlive {outer} ({days[outer]} days)"
        for inner, outer in [*pairs, (ISSUING.name, ROOT.name)]
        if days[inner] > days[outer]
    ]


def _most(key: str) -> int:
    return _MAX_CRL_DAYS if key == _CRL else MAX_DAYS
