"""Room on the host for environments: promised to them, and made by closing idle ones."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from lambd.environments.placement import HostLedger
from lambd.model.errors import CONCURRENT_INVOCATION_LIMIT_EXCEEDED, SandboxError, ThrottledError

# A full host refuses thousands of requests a second: it is logged so often, seconds.
_TELL_EVERY_S = 10.0

_log = structlog.get_logger(__name__)


class Room:
    """See the module header; on the event loop."""

    def __init__(self, ledger: HostLedger, evict: Callable[[], bool]) -> None:
        """Args:
        ledger: counts.
        evict: closes the environment that has been idle longest; False if none is idle.
        """
        self.ledger = ledger
        self._evict = evict
        self._provisioned_mib = 0
        # Refusals since the last one that was logged, and when that was, `time.monotonic`.
        self._untold = 0
        self._told_at: float | None = None

    def refusal(self, reason: str, memory_mib: int) -> ThrottledError:
        """Why an environment of this size cannot be had now; operators hear of the first of many.

        Callers are told what AWS tells them of a concurrency limit, which has no word of memory.
        """
        now = time.monotonic()
        self._untold += 1
        if self._told_at is None or now - self._told_at >= _TELL_EVERY_S:
            _log.warning(
                "host_full",
                reason=reason,
                wanted_mib=memory_mib,
                promised_mib=self.ledger.promised_mib,
                promisable_mib=self.ledger.promisable_mib,
                refused=self._untold,
            )
            self._told_at, self._untold = now, 0
        return host_full()

    def take(self, memory_mib: int) -> None:
        """Promise memory to an on-demand environment.

        Raises:
            ThrottledError: everything on the host is busy.
        """
        while not self.ledger.has_room(memory_mib):
            if not self._evict():
                raise self.refusal("all that it has is promised to busy ones", memory_mib)
        self.ledger.take(memory_mib)

    def give_back(self, memory_mib: int) -> None:
        """Take the promise back."""
        self.ledger.give_back(memory_mib)

    def take_provisioned(self, memory_mib: int) -> None:
        """Promise memory to a provisioned environment.

        Raises:
            ThrottledError: everything on the host is busy.
            SandboxError: provisioned environments have all of the host.
        """
        is_all_provisioned = self._provisioned_mib == self.ledger.promised_mib
        if is_all_provisioned and not self.ledger.has_room(memory_mib):
            raise SandboxError(f"The host has no room for another {memory_mib} MiB")
        self.take(memory_mib)
        self._provisioned_mib += memory_mib

    def give_provisioned_back(self, memory_mib: int) -> None:
        """Take that promise back."""
        self.ledger.give_back(memory_mib)
        self._provisioned_mib -= memory_mib


def host_full() -> ThrottledError:
    """Every environment that the host has room for is busy."""
    return ThrottledError(CONCURRENT_INVOCATION_LIMIT_EXCEEDED)
