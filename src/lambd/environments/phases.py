"""Where an execution environment stands, and what leads from where to where; sans-IO.

COLD is a sandbox without a runtime process: after a failed init phase, whose retry AWS runs inside
the next invocation ("suppressed init"), and after a timeout or a crash, which keep /tmp but no
process (runtime.md section 3). The caller gets its result as soon as the runtime responds; the
invocation is over, reported and billed, when the runtime asks for the next. The diagram in
docs/architecture.md is drawn from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Phase(StrEnum):
    """Where an environment stands."""

    # Its sandbox has been made, its init phase is running or about to.
    STARTING = "STARTING"
    IDLE = "IDLE"
    # The runtime has an invocation.
    BUSY = "BUSY"
    # It has answered, and not yet asked for the next.
    FINISHING = "FINISHING"
    # The processes inside are being ended.
    RESETTING = "RESETTING"
    # None of them is left.
    COLD = "COLD"
    # The init phase is run again, within an invocation.
    INVOKE_INIT = "INVOKE_INIT"
    DEAD = "DEAD"


class PhaseEvent(StrEnum):
    """What happens to it; the values are the words of the diagram."""

    INITIALISED = "initialised"
    INVOKE = "invoke"
    READY = "ready"
    RESPONSE = "response"
    NEXT = "next"
    # A process has ended, time is up, or the environment is to end.
    RESET = "failure, timeout, spin-down"
    ENDED = "processes ended"
    SANDBOX_LOST = "sandbox lost or closed"


_S = Phase
TRANSITIONS: Mapping[PhaseEvent, Mapping[Phase, Phase]] = MappingProxyType(
    {
        PhaseEvent.INITIALISED: {_S.STARTING: _S.IDLE},
        PhaseEvent.INVOKE: {_S.IDLE: _S.BUSY, _S.COLD: _S.INVOKE_INIT},
        PhaseEvent.READY: {_S.INVOKE_INIT: _S.BUSY},
        PhaseEvent.RESPONSE: {_S.BUSY: _S.FINISHING},
        PhaseEvent.NEXT: {_S.FINISHING: _S.IDLE},
        PhaseEvent.RESET: dict.fromkeys(
            (_S.STARTING, _S.IDLE, _S.BUSY, _S.FINISHING, _S.INVOKE_INIT), _S.RESETTING
        ),
        PhaseEvent.ENDED: {_S.RESETTING: _S.COLD},
        PhaseEvent.SANDBOX_LOST: {phase: _S.DEAD for phase in _S if phase is not _S.DEAD},
    }
)

# In these the runtime may come to its first `next`.
INITIALISING = frozenset({Phase.STARTING, Phase.INVOKE_INIT})
# These end with the environment being available.
ON_ITS_WAY = frozenset({Phase.FINISHING, Phase.STARTING, Phase.RESETTING})
# In these there is no runtime process any more.
LOST = frozenset({Phase.RESETTING, Phase.COLD, Phase.DEAD})


class InvalidPhaseError(Exception):
    """Something happened to an environment that cannot, where it stands: a fault of ours."""

    def __init__(self, phase: Phase, event: PhaseEvent) -> None:
        super().__init__(f"An environment that is {phase} met: {event}")


def after(phase: Phase, event: PhaseEvent) -> Phase:
    """The phase that follows.

    Raises:
        InvalidPhaseError: the event cannot happen in this phase.
    """
    goal = TRANSITIONS[event].get(phase)
    if goal is None:
        raise InvalidPhaseError(phase, event)
    return goal
