"""The table of an environment's phases: nothing is unreachable, and nothing else is allowed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from

from lambd.environments.phases import (
    ON_ITS_WAY,
    TRANSITIONS,
    InvalidPhaseError,
    Phase,
    PhaseEvent,
    after,
)


def test_every_phase_can_be_reached() -> None:
    """From the first one, by what the table allows."""
    reached = {Phase.STARTING}
    for _ in Phase:
        reached |= {
            goal for moves in TRANSITIONS.values() for at, goal in moves.items() if at in reached
        }
    assert reached == set(Phase)


def test_nothing_follows_death() -> None:
    """Whatever happens to what is dead is a fault."""
    for event in PhaseEvent:
        with pytest.raises(InvalidPhaseError, match="DEAD"):
            after(Phase.DEAD, event)


def test_what_is_on_its_way_becomes_available() -> None:
    """By one event that ends in IDLE or COLD."""
    goals = {goal for moves in TRANSITIONS.values() for at, goal in moves.items()}
    assert goals == set(Phase) - {Phase.STARTING}
    for phase in ON_ITS_WAY:
        next_ones = {moves.get(phase) for moves in TRANSITIONS.values()}
        assert next_ones & {Phase.IDLE, Phase.COLD}


@given(lists(sampled_from(PhaseEvent)))
def test_an_invocation_is_under_way_in_few_phases(events: list[PhaseEvent]) -> None:
    """Between `invoke` and what ends it an environment is never available."""
    phase, has_invocation = Phase.STARTING, False
    for event in events:
        try:
            phase = after(phase, event)
        except InvalidPhaseError:
            continue
        has_invocation = event is PhaseEvent.INVOKE or (
            has_invocation and event in {PhaseEvent.READY, PhaseEvent.RESPONSE}
        )
        assert has_invocation is (phase in {Phase.BUSY, Phase.FINISHING, Phase.INVOKE_INIT})


def test_every_pair_is_either_allowed_or_refused() -> None:
    """`after` says what the table says."""
    for phase, event in itertools.product(Phase, PhaseEvent):
        goal = TRANSITIONS[event].get(phase)
        if goal is not None:
            assert after(phase, event) is goal
