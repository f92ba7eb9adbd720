"""Answers in parts, and where their parts come from."""

from __future__ import annotations

from tests.unit.frontend.door_world import FakeConnection

from lambd.http.exchanges import ResponseStream


class FakeFlow:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def resume(self) -> None:
        """Keep it."""
        self.told.append("resume")

    def discard(self) -> None:
        """Keep it."""
        self.told.append("discard")


def test_who_sends_the_parts_hears_of_the_client() -> None:
    """That it keeps up again, and that it has gone."""
    stream, flow = ResponseStream(FakeConnection()), FakeFlow()
    stream.follow(flow)
    stream.writable()
    stream.disconnected()
    assert flow.told == ["resume", "discard"]


def test_who_sends_the_parts_hears_at_once_that_there_is_no_client() -> None:
    """It went before the head."""
    flow = FakeFlow()
    ResponseStream(None).follow(flow)
    assert flow.told == ["discard"]


def test_after_the_end_nobody_is_told() -> None:
    """The next request's troubles are its own."""
    stream, flow = ResponseStream(FakeConnection()), FakeFlow()
    stream.follow(flow)
    stream.end()
    stream.writable()
    stream.disconnected()
    assert flow.told == []
