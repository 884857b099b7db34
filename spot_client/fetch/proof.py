"""Whether mirrors take a certificate: found out by asking for something that every client may have."""

from typing import Final

from spot_client.errors import NotReachable, NotTrusted, Refused, SpotError
from spot_client.fetch.transport import Transport
from spot_client.wire.problem import Reason
from spot_client.wire.routes import Kind, Route

_MAX_ANSWER: Final = 2**20  # bytes; the answer itself is not looked at
_ABOUT_CERTIFICATES: Final = frozenset(
    {
        "certificate-refused",
        *(
            reason.value
            for reason in (
                Reason.BAD_CERTIFICATE,
                Reason.UNKNOWN_ISSUER,
                Reason.OTHER_REALM,
                Reason.WRONG_ROLE,
                Reason.NOT_YET_VALID,
                Reason.EXPIRED,
                Reason.REVOKED,
                Reason.NOT_YOUR_INSTALLATION,
            )
        ),
    }
)


def show(transport: Transport) -> None:
    """Have a mirror look at the certificate that a transport shows.

    Raises:
        Refused: it is not taken. What else is refused says nothing of the certificate, and is passed over.
        NotReachable, NotTrusted: nobody of ours answered.
    """
    try:
        transport.get(Route(kind=Kind.LICENCES).path, max_bytes=_MAX_ANSWER)
    except Refused as error:
        if error.reason in _ABOUT_CERTIFICATES:
            raise


def prove(transport: Transport, *, nothing_to_lose: bool) -> None:
    """See to it that a new certificate is taken before the one in use is given up for it.

    Each mirror is asked, because the one that handed it out may be the one that lies. `nothing_to_lose`: the one in
    use is good for nothing any more, so any mirror's word will do.

    Raises:
        NotTrusted: reason `unproven-certificate`: a mirror does not take it.
        NotReachable, NotTrusted, Refused: none could tell.
    """
    taken, refusals, silent = 0, list[SpotError](), list[SpotError]()
    for _, alone in transport.alone():
        try:
            show(alone)
            taken += 1
        except Refused as error:
            # A mirror that does not know the installation says nothing of its certificate.
            (silent if error.reason == Reason.NOT_YOUR_INSTALLATION.value else refusals).append(error)
        except (NotReachable, NotTrusted) as error:
            silent.append(error)
    if taken and (nothing_to_lose or not refusals):
        return
    if refusals:
        raise NotTrusted(
            "unproven-certificate",
            f"The new certificate of this installation is not taken by a mirror, and is not used. {refusals[0]}",
        )
    raise silent[0]
