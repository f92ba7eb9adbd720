"""When the reconciler looks for code that nothing needs."""

from __future__ import annotations

from lambd.environments.reconciler import Collection


def test_it_waits_for_a_quiet_time_after_a_change() -> None:
    """One change seldom comes alone."""
    collection = Collection(60, 600)
    assert collection.due_at(1000) == 1600
    collection.note_change(1000)
    assert collection.due_at(1010) == 1060
    collection.note_change(1050)
    assert collection.due_at(1050) == 1110


def test_changes_by_the_minute_do_not_put_it_off_for_ever() -> None:
    """Once in a period it comes whatever changes."""
    collection = Collection(60, 600)
    for now in range(0, 1200, 50):
        collection.note_change(now)
        assert collection.due_at(now) == min(now + 60, 600)


def test_without_a_change_it_comes_once_in_a_period() -> None:
    """Environments that go leave code behind, too, and young archives grow old."""
    collection = Collection(60, 600)
    collection.note_change(0)
    assert collection.due_at(60) == 60
    collection.note_end(61)
    assert collection.due_at(61) == 661
    collection.note_change(650)
    assert collection.due_at(650) == 661
