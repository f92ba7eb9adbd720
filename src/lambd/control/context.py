"""What every control function is told besides its request: who asks, place, limits, time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from lambd.model.arns import Scope
from lambd.model.limits import Limits
from lambd.model.policies import Principal


class RuntimeRules(Protocol):
    """Which runtime identifiers functions may have (`lambd.runtimes.catalogue` is one)."""

    def refusal(self, identifier: str, today: date) -> str | None:
        """AWS's text why a function may not have this runtime; None if it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlContext:
    """The surroundings of one request; `now` is when it came."""

    # Who asks; a service, where lambd acts by itself.
    principal: Principal
    scope: Scope
    limits: Limits
    runtimes: RuntimeRules
    now: datetime
