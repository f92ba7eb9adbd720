"""The virtual-time loop that ships with lambd."""

from __future__ import annotations

import asyncio

import pytest

from lambd.testing import run_in_virtual_time


def test_waiting_takes_no_time() -> None:
    """The clock jumps to each timer in its turn."""
    order = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((seconds, asyncio.get_running_loop().time()))

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for seconds in (3600.0, 60.0, 86_400.0):
                tasks.create_task(sleep(seconds))

    run_in_virtual_time(main())
    assert [asked for asked, _ in order] == [60.0, 3600.0, 86_400.0]
    assert [woken for _, woken in order] == pytest.approx([60.0, 3600.0, 86_400.0])


def test_deadlines_pass() -> None:
    """As on any loop."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(120):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == pytest.approx(120)
