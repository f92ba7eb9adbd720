"""May it run now: leases on the account's concurrency and on what functions have reserved.

A function with a reservation runs within that, all others share what is left of the account's
(scaling.md section 1). And each may be invoked ten times a second for each unit of what it may use,
of which a second's worth may come at once. Everything here is a counter: acquiring and releasing
take constant time. A reservation that comes or goes while a function runs moves its running
invocations from one pool to the other.
"""

from __future__ import annotations

import time

from lambd.model.errors import (
    CONCURRENT_INVOCATION_LIMIT_EXCEEDED,
    INVOCATION_RATE_LIMIT_EXCEEDED,
    RESERVED_CONCURRENT_INVOCATION_LIMIT_EXCEEDED,
    RESERVED_INVOCATION_RATE_LIMIT_EXCEEDED,
    ThrottledError,
)
from lambd.model.token_bucket import TokenBucket
from lambd.store.database import FunctionChanged, ReservationsChanged


class Lease:
    """What one function holds now; a lease is one count of it, given back by `release`."""

    __slots__ = ("_admission", "bucket", "in_use", "is_reserved", "name")

    def __init__(self, admission: Admission, name: str, *, is_reserved: bool) -> None:
        self._admission = admission
        self.name = name
        self.is_reserved = is_reserved
        self.in_use = 0
        # Of the request rate.
        self.bucket: TokenBucket | None = None

    def release(self) -> None:
        """Give it back; once for each `Admission.acquire`."""
        self._admission.release(self)


class Admission:
    """See the module header; all on the event loop."""

    def __init__(
        self,
        concurrent_executions: int,
        *,
        total_reserved: int = 0,
        requests_per_concurrency: int = 0,
    ) -> None:
        """Args:
        concurrent_executions: of the whole account.
        total_reserved: what of it is spoken for.
        requests_per_concurrency: invocations a second for each unit; 0: any number.
        """
        self._limit = concurrent_executions
        self._total_reserved = total_reserved
        self._requests = requests_per_concurrency
        # Functions that have held a lease; forgotten when they change.
        self._functions: dict[str, Lease] = {}
        self._unreserved_in_use = 0

    @property
    def in_use(self) -> int:
        """Leases held now by all functions together."""
        return sum(lease.in_use for lease in self._functions.values())

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        if isinstance(change, ReservationsChanged):
            self._total_reserved = change.total
        elif isinstance(change, FunctionChanged):
            held = self._functions.get(change.name)
            if held is not None and not held.in_use:
                del self._functions[change.name]

    def acquire(self, name: str, reserved: int | None) -> Lease:
        """Take a lease for one invocation of a function that has reserved so much, or nothing.

        Raises:
            ThrottledError: all that the function may use is in use, or was used too often.
        """
        held = self._functions.get(name)
        if held is None:
            held = self._functions[name] = Lease(self, name, is_reserved=reserved is not None)
        elif held.is_reserved is (reserved is None):
            self._move(held)
        if reserved is not None:
            if held.in_use >= reserved:
                raise ThrottledError(RESERVED_CONCURRENT_INVOCATION_LIMIT_EXCEEDED)
            if self._requests:
                self._count(held, reserved)
        else:
            unreserved = self._limit - self._total_reserved
            if self._unreserved_in_use >= unreserved:
                raise ThrottledError(CONCURRENT_INVOCATION_LIMIT_EXCEEDED)
            if self._requests:
                self._count(held, unreserved)
            self._unreserved_in_use += 1
        held.in_use += 1
        return held

    def _count(self, held: Lease, concurrency: int) -> None:
        """Count a request against the rate that so much concurrency allows."""
        per_s = self._requests * concurrency
        now = time.monotonic()
        bucket = held.bucket
        if bucket is None or bucket.per_s != per_s:
            bucket = held.bucket = TokenBucket(per_s, per_s, now)
        if bucket.take(now):
            reason = (
                RESERVED_INVOCATION_RATE_LIMIT_EXCEEDED
                if held.is_reserved
                else INVOCATION_RATE_LIMIT_EXCEEDED
            )
            raise ThrottledError(reason)

    def release(self, lease: Lease) -> None:
        """Give a lease back; once for each `acquire`."""
        lease.in_use -= 1
        if not lease.is_reserved:
            self._unreserved_in_use -= 1

    def _move(self, held: Lease) -> None:
        """The function's reservation came or went."""
        held.is_reserved = not held.is_reserved
        self._unreserved_in_use += -held.in_use if held.is_reserved else held.in_use
