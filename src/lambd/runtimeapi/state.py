"""The runtime's side of the Runtime API as a table of allowed transitions; sans-IO.

Names are those of AWS's runtime interface emulator (`core/states.go`), since they show in the text
of `InvalidStateTransition` answers (runtime.md section 2).
"""

from __future__ import annotations

from enum import StrEnum


class RuntimeState(StrEnum):
    """Where a runtime process stands."""

    STARTED = "Started"
    INIT_ERROR = "InitError"
    READY = "Ready"
    RUNNING = "Running"
    # A streamed response is on its way.
    INVOCATION_RESPONSE = "InvocationResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"


class RuntimeEvent(StrEnum):
    """What can happen to it: the runtime's calls, and the delivery of an event."""

    NEXT = "next"
    INIT_ERROR = "init_error"
    DELIVER = "deliver"
    STREAM = "stream"
    RESPONSE = "response"
    ERROR = "error"


# What a call leads to when it is allowed; the target also names the transition in the refusal.
_TARGETS = {
    RuntimeEvent.NEXT: RuntimeState.READY,
    RuntimeEvent.INIT_ERROR: RuntimeState.INIT_ERROR,
    RuntimeEvent.DELIVER: RuntimeState.RUNNING,
    RuntimeEvent.STREAM: RuntimeState.INVOCATION_RESPONSE,
    RuntimeEvent.RESPONSE: RuntimeState.RESPONSE_SENT,
    RuntimeEvent.ERROR: RuntimeState.RESPONSE_SENT,
}
# The state that AWS's text names as the goal of a refused call.
_REFUSED_GOAL = {
    RuntimeEvent.NEXT: "Ready",
    RuntimeEvent.INIT_ERROR: "InitError",
    RuntimeEvent.DELIVER: "Running",
    RuntimeEvent.STREAM: "InvocationResponse",
    RuntimeEvent.RESPONSE: "InvocationResponse",
    RuntimeEvent.ERROR: "InvocationErrorResponse",
}
_ALLOWED = frozenset(
    {
        (RuntimeState.STARTED, RuntimeEvent.NEXT),
        (RuntimeState.STARTED, RuntimeEvent.INIT_ERROR),
        # A client that lost its long poll asks again; the newest poll is the one that is answered.
        (RuntimeState.READY, RuntimeEvent.NEXT),
        (RuntimeState.READY, RuntimeEvent.DELIVER),
        # A response that streams begins, and is sent when it has ended, however that is.
        (RuntimeState.RUNNING, RuntimeEvent.STREAM),
        (RuntimeState.INVOCATION_RESPONSE, RuntimeEvent.RESPONSE),
        (RuntimeState.RUNNING, RuntimeEvent.RESPONSE),
        (RuntimeState.RUNNING, RuntimeEvent.ERROR),
        (RuntimeState.RESPONSE_SENT, RuntimeEvent.NEXT),
    }
)


class InvalidStateTransitionError(Exception):
    """The runtime called out of order; the text is AWS's."""

    def __init__(self, state: RuntimeState, event: RuntimeEvent) -> None:
        super().__init__(
            f"State transition from {state} to {_REFUSED_GOAL[event]} failed for runtime. "
            "Error: State transition is not allowed"
        )


def after(state: RuntimeState, event: RuntimeEvent) -> RuntimeState:
    """The state that follows.

    Raises:
        InvalidStateTransitionError: the event is not allowed in this state.
    """
    if (state, event) not in _ALLOWED:
        raise InvalidStateTransitionError(state, event)
    return _TARGETS[event]
