"""The table of the runtime's states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.runtimeapi.state import (
    InvalidStateTransitionError,
    RuntimeEvent,
    RuntimeState,
    after,
)


def test_walks_through_an_invocation() -> None:
    """init, next, deliver, response, next."""
    state = RuntimeState.STARTED
    for event in ("next", "deliver", "response", "next", "deliver", "error", "next"):
        state = after(state, RuntimeEvent(event))
    assert state is RuntimeState.READY


def test_refuses_a_response_without_an_invocation_in_aws_words() -> None:
    """The text names both states as AWS does."""
    with pytest.raises(InvalidStateTransitionError) as raised:
        after(RuntimeState.READY, RuntimeEvent.RESPONSE)
    assert str(raised.value) == (
        "State transition from Ready to InvocationResponse failed for runtime. "
        "Error: State transition is not allowed"
    )


@given(st.lists(st.sampled_from(RuntimeEvent)))
def test_never_runs_what_was_not_delivered(events: list[RuntimeEvent]) -> None:
    """Whatever a runtime calls, a response is only accepted after a delivery."""
    state = RuntimeState.STARTED
    delivered = responded = 0
    for event in events:
        try:
            state = after(state, event)
        except InvalidStateTransitionError:
            continue
        delivered += event is RuntimeEvent.DELIVER
        responded += event in {RuntimeEvent.RESPONSE, RuntimeEvent.ERROR}
        assert responded <= delivered <= responded + 1
