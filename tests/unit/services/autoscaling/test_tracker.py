"""How a policy's utilisation is measured."""

from __future__ import annotations

from lambd.model.provisioned import ProvisionedUse
from lambd.services.autoscaling.target_tracking import Alarm
from lambd.services.autoscaling.tracker import Tracker

PERIOD_S = 60.0


class Clock:
    """A tracker and the time it is told, a second a sample."""

    def __init__(self) -> None:
        self.tracker = Tracker(PERIOD_S)
        self.now = 1000.0

    def run(
        self, seconds: int, in_use: int, wanted: int = 2, ready: int | None = None
    ) -> list[tuple[Alarm, float]]:
        """Sample so long; the alarms that were on at the ends of periods."""
        found = []
        for _ in range(seconds):
            self.now += 1
            use = ProvisionedUse(
                in_use=in_use, ready=wanted if ready is None else ready, wanted=wanted
            )
            state = self.tracker.sample(use, 0.5, self.now)
            if state is not None:
                found.append(state)
        return found


def test_a_period_is_the_average_of_its_samples() -> None:
    """Half of the time all in use, half of it none, is half."""
    clock = Clock()
    clock.run(1, 0)
    for _ in range(2):
        clock.run(20, 0)
        assert clock.run(40, 2) == []
    clock.run(20, 0)
    assert clock.run(40, 2) == [(Alarm.HIGH, 2 / 3)]


def test_silence_is_measured_as_no_use() -> None:
    """After fifteen periods."""
    clock = Clock()
    assert clock.run(15 * 60, 0) == []
    assert clock.run(60, 0)[0] == (Alarm.LOW, 0.0)


def test_what_is_being_allocated_is_not_measured() -> None:
    """No sample before all environments are there; the earlier periods stay."""
    clock = Clock()
    clock.run(1 + 2 * 60, 2)
    assert clock.run(300, 2, wanted=4, ready=2) == []
    assert clock.run(60, 3, wanted=4) == [(Alarm.HIGH, 0.75)]


def test_a_change_of_number_begins_a_period_anew() -> None:
    """So that none is of two capacities."""
    clock = Clock()
    clock.run(1 + 2 * 60 + 59, 2)
    assert clock.run(59, 3, wanted=4) == []
    assert clock.run(2, 3, wanted=4) == [(Alarm.HIGH, 0.75)]


def test_without_any_environments_all_is_forgotten() -> None:
    """What comes back is another measurement."""
    clock = Clock()
    clock.run(1 + 2 * 60, 2)
    assert clock.run(600, 0, wanted=0) == []
    assert clock.run(1 + 2 * 60, 2) == []
    assert clock.run(60, 2) == [(Alarm.HIGH, 1.0)]
