"""What can be seen of the running mirror from outside: its state for `/readyz`, its numbers for `/metrics`."""

import platform
import time
from collections.abc import Callable
from typing import Final

from mirror.control.totals import Totals
from mirror.health import exposition
from mirror.health.status import Status
from mirror.post import Post
from mirror.serving import utc_now
from mirror.tls import OPENSSL
from spot_client import __version__

_LOST_SECONDS: Final = 60.0
_BUILD: Final = {"version": __version__, "python": platform.python_version(), "openssl": OPENSSL}


class Observed:
    """Of one control process. `post`: the one that serves, at any moment; `draining`: whether it is to end."""

    def __init__(self, post: Callable[[], Post], totals: Totals, draining: Callable[[], bool]) -> None:
        self._post, self._totals, self._draining = post, totals, draining
        self._lost, self._lost_at = 0, -_LOST_SECONDS
        self.store_answers = True
        """Whether the last try did."""
        self.restarts = 0
        """Workers that ended by themselves."""

    def status(self) -> Status:
        """Whether clients are served."""
        post = self._post()
        state, lost = post.filled.state, self._totals.sum().audit_lost
        if lost > self._lost:
            self._lost, self._lost_at = lost, time.monotonic()
        lists = [crl.next_update + state.world.grace for crl in state.world.revocations.values()]
        return Status(
            now=utc_now(),
            workers=post.serving.workers,
            ready=sum(member.serves for member in post.members),
            draining=self._draining(),
            catalogue_until=min(state.catalogue.expires.values(), default=None),
            lists_until=min(lists, default=None),
            store_answers=self.store_answers,
            losing_audit=time.monotonic() - self._lost_at < _LOST_SECONDS,
            memory_behind=post.filled.is_behind,
        )

    def metrics(self) -> bytes:
        """The page for Prometheus."""
        post = self._post()
        return exposition.page(
            alive=self._totals.living,
            gone=self._totals.gone_before,
            restarts=self.restarts,
            status=self.status(),
            lapses=post.serving.lapses(post.filled.state),
            build=_BUILD,
        )
