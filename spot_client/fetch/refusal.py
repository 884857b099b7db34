"""What an answer means that does not give what was asked for."""

import urllib3
from urllib3.exceptions import HTTPError

from spot_client.errors import NotLicensed, NotReachable, Refused
from spot_client.fetch import rest
from spot_client.fetch.pinned import explain
from spot_client.wire import problem
from spot_client.wire.problem import Reason

_IDLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_NEXT_STEPS = {
    Reason.BAD_CERTIFICATE.value: "Ask your vendor for a new bundle.",
    Reason.UNKNOWN_ISSUER.value: "Ask your vendor for a new bundle.",
    Reason.REVOKED.value: "Ask your vendor for a new bundle.",
    Reason.EXPIRED.value: "Check this machine's clock, try 'spot renew --now', or ask your vendor for a new bundle.",
    Reason.NOT_YET_VALID.value: "Check this machine's clock.",
    Reason.NOT_LICENSED.value: "Ask your vendor if you need it.",
    Reason.UNKNOWN_CUSTOMER.value: "Ask your vendor.",
    Reason.SUSPENDED.value: "Ask your vendor.",
    Reason.NOT_YOUR_INSTALLATION.value: "Run 'spot enrol' with your bundle once more.",
    Reason.ENROL_ONLY.value: "'spot renew' asks for one that can do more.",
    Reason.OWN_CERTIFICATE.value: "'spot renew --now' fetches it if it waits; if it is lost, enrol with a bundle.",
    Reason.REQUEST_DENIED.value: "Ask your vendor; 'spot renew --again' then makes a new request.",
    Reason.BAD_CERTIFICATE_REQUEST.value: "'spot renew --again' makes another; if that fails, too, tell your vendor.",
}


def raise_refusal(response: urllib3.BaseHTTPResponse, where: str) -> None:
    """Raise what an answer says that is not what was asked for; `where` names the mirror.

    `Refused` carries a reason of the mirror's; `NotReachable` what may be otherwise soon, or somebody else's answer.
    """
    if response.status in {200, 201, 204, 206, 304}:
        return
    try:
        told = problem.read_reason(response.read(problem.MAX_BYTES + 1))
    except HTTPError as error:
        raise explain(error, where, begun=True) from error
    if told is None or response.status in _IDLE_STATUSES:
        said = f": {told[1]}" if told else "."
        wait = rest.told(response.status, response.headers)
        later = "" if wait is None else f" It asks to be left alone for {wait} seconds; a later run goes on."
        message = f"{where} answered with the status {response.status}{said}{later}"
        raise NotReachable(f"http-{response.status}", message, wait=wait)
    reason, detail, request = told
    message = f"The mirror refused: {detail} {_NEXT_STEPS.get(reason, '')}".rstrip()
    kind = NotLicensed if reason == Reason.NOT_LICENSED.value else Refused
    raise kind(reason, f"{message} (request {request})")
