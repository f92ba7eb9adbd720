"""The bare cold start: `python -m awslambdaric` from spawn to its first `/next`, and nothing else."""

from __future__ import annotations

import asyncio
import os
import time

from benchmarks.artifacts import FUNCTION, Runtime

_TIMEOUT_S = 30.0


async def bare_starts(runtime: Runtime, number: int, together: int) -> tuple[list[float], float]:
    """Start language runtimes, so many at a time.

    Returns:
        Milliseconds of each start, and seconds of them all.
    """
    latencies_ms: list[float] = []
    slots = asyncio.Semaphore(together)

    async def start_one() -> None:
        async with slots:
            latencies_ms.append(await _start(runtime))

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(number):
            tasks.create_task(start_one())
    return latencies_ms, time.perf_counter() - begun


async def _start(runtime: Runtime) -> float:
    asked = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert b"/invocation/next" in request, request
        asked.set()
        # The runtime waits for its event until it is killed.
        await reader.read()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *runtime.command,
        env=os.environ | runtime.environment | {"AWS_LAMBDA_RUNTIME_API": address},
        cwd=FUNCTION,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await asked.wait()
        return (time.perf_counter() - begun) * 1000
    finally:
        process.kill()
        await process.wait()
        server.close()
