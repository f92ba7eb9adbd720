"""May it run now: leases on the account's concurrency and on what functions have reserved.

A function with a reservation runs within that, all others share what is left of the account's
(scaling.md section 1). Everything here is a counter: acquiring and releasing take constant time. A
reservation that comes or goes while a function runs moves its running invocations from one pool to
the other.
"""

from __future__ import annotations

from lambd.model.errors import (
    CONCURRENT_INVOCATION_LIMIT_EXCEEDED,
    RESERVED_CONCURRENT_INVOCATION_LIMIT_EXCEEDED,
    ThrottledError,
)
from lambd.store.database import ReservationsChanged


class Lease:
    """What one function holds now; a lease is one count of it, given back by `release`."""

    __slots__ = ("_admission", "in_use", "is_reserved", "name")

    def __init__(self, admission: Admission, name: str, *, is_reserved: bool) -> None:
        self._admission = admission
        self.name = name
        self.is_reserved = is_reserved
        self.in_use = 0

    def release(self) -> None:
        """Give it back; once for each `Admission.acquire`."""
        self._admission.release(self)


class Admission:
    """See the module header; all on the event loop."""

    def __init__(self, concurrent_executions: int, *, total_reserved: int = 0) -> None:
        self._limit = concurrent_executions
        self._total_reserved = total_reserved
        # Functions that hold a lease now.
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

    def acquire(self, name: str, reserved: int | None) -> Lease:
        """Take a lease for one invocation of a function that has reserved so much, or nothing.

        Raises:
            ThrottledError: all that the function may use is in use.
        """
        held = self._functions.get(name)
        if held is None:
            held = Lease(self, name, is_reserved=reserved is not None)
        elif held.is_reserved is (reserved is None):
            self._move(held)
        if reserved is not None:
            if held.in_use >= reserved:
                raise ThrottledError(RESERVED_CONCURRENT_INVOCATION_LIMIT_EXCEEDED)
        else:
            if self._unreserved_in_use >= self._limit - self._total_reserved:
                raise ThrottledError(CONCURRENT_INVOCATION_LIMIT_EXCEEDED)
            self._unreserved_in_use += 1
        if not held.in_use:
            self._functions[name] = held
        held.in_use += 1
        return held

    def release(self, lease: Lease) -> None:
        """Give a lease back; once for each `acquire`."""
        lease.in_use -= 1
        if not lease.is_reserved:
            self._unreserved_in_use -= 1
        if not lease.in_use:
            del self._functions[lease.name]

    def _move(self, held: Lease) -> None:
        """The function's reservation came or went."""
        held.is_reserved = not held.is_reserved
        self._unreserved_in_use += -held.in_use if held.is_reserved else held.in_use
