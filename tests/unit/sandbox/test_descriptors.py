"""Who may take another file descriptor."""

from __future__ import annotations

from structlog.testing import capture_logs

from lambd.sandbox.descriptors import Descriptors, environments_that_fit


class World:
    """A process that has so many open, and a clock that stands still."""

    def __init__(self, used: int) -> None:
        self.used = used
        self.now = 1000.0
        self.counted = 0

    def count(self) -> int:
        """As the kernel tells it."""
        self.counted += 1
        return self.used

    def of(self, limit: int) -> Descriptors:
        """Under a limit."""
        return Descriptors(limit, self.count, lambda: self.now)


def test_sandboxes_are_refused_before_clients_are() -> None:
    """Half of all is promised; the last few are the platform's own."""
    assert World(499).of(1000).has_room_for_sandbox()
    assert not World(500).of(1000).has_room_for_sandbox()
    assert World(935).of(1000).has_room_for_client()
    assert not World(936).of(1000).has_room_for_client()


def test_counts_itself_for_a_moment() -> None:
    """A burst of connections neither overruns the limit nor counts each time."""
    world = World(933)
    descriptors = world.of(1000)
    assert [descriptors.has_room_for_client() for _ in range(5)] == [True] * 3 + [False] * 2
    assert world.counted == 1
    world.used, world.now = 100, world.now + 1
    assert descriptors.has_room_for_client()


def test_logs_that_connections_are_refused_now_and_then() -> None:
    """Once for a flood of them."""
    world = World(1000)
    descriptors = world.of(1000)
    with capture_logs() as logs:
        for _ in range(3):
            descriptors.has_room_for_client()
        world.now += 11
        descriptors.has_room_for_client()
    assert [line["event"] for line in logs] == ["descriptors_exhausted"] * 2


def test_one_environment_always_fits() -> None:
    """Whatever the limit."""
    assert environments_that_fit(64) == 1
    assert environments_that_fit(20_000) == 580
