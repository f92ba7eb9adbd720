"""Logs Insights queries that were started: waiting, at work in a process each, or answered.

Answers are kept in memory until newer ones need the room; queries do not outlive the platform.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import structlog

from lambd.model.errors import NotFoundError, QuotaExceededError
from lambd.services.logs.query_process import MEMORY_STATUS, QueryAnswer, QueryTask
from lambd.telemetry.ids import new_id

_log = structlog.get_logger(__name__)

# At work at a time; a query takes a processor.
_PROCESSES = 2
_WAITING = 30
# Queries that are remembered with their answers.
_KEPT = 50
TIMEOUT_S = 120.0


class QueryStatus(StrEnum):
    """`QueryStatus`."""

    SCHEDULED = "Scheduled"
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    TIMEOUT = "Timeout"


@dataclass(slots=True, kw_only=True)
class QueryRun:
    """One query."""

    id: str
    task: QueryTask
    created_ms: int
    status: QueryStatus = QueryStatus.SCHEDULED
    answer: QueryAnswer = field(default_factory=QueryAnswer)
    process: asyncio.subprocess.Process | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in (QueryStatus.SCHEDULED, QueryStatus.RUNNING)


class QueryRuns:
    """See the module header. Methods are called on the event loop."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[QueryRun] = asyncio.Queue(_WAITING)
        # In the order of their start.
        self._runs: dict[str, QueryRun] = {}

    def start(self, task: QueryTask, now_ms: int) -> QueryRun:
        """Have a query answered soon.

        Raises:
            QuotaExceededError: too many are waiting.
        """
        run = QueryRun(id=new_id(), task=task, created_ms=now_ms)
        try:
            self._waiting.put_nowait(run)
        except asyncio.QueueFull:
            raise QuotaExceededError("Too many queries are waiting.") from None
        self._runs[run.id] = run
        ended = [each.id for each in self._runs.values() if each.has_ended]
        for old in ended[: max(0, len(self._runs) - _KEPT)]:
            del self._runs[old]
        return run

    def find(self, query_id: str) -> QueryRun:
        """A query that is still known.

        Raises:
            NotFoundError: it is not.
        """
        run = self._runs.get(query_id)
        if run is None:
            raise NotFoundError(f"Query does not exist: {query_id}")
        return run

    def all(self) -> list[QueryRun]:
        """Those that are still known, the newest first."""
        return list(reversed(self._runs.values()))

    def stop(self, query_id: str) -> bool:
        """End a query; False if it had ended already.

        Raises:
            NotFoundError: it is not known.
        """
        run = self.find(query_id)
        if run.has_ended:
            return False
        run.status = QueryStatus.CANCELLED
        if run.process is not None:
            run.process.kill()
        return True

    async def run(self) -> None:
        """Answer queries, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_PROCESSES):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            run = await self._waiting.get()
            if run.has_ended:
                continue
            run.status = QueryStatus.RUNNING
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    status = await _answer(run)
            except TimeoutError:
                status = QueryStatus.TIMEOUT
            except Exception:  # noqa: BLE001 - a task root
                _log.exception("log_query_broken", action="query", query=run.id)
                status = QueryStatus.FAILED
            if not run.has_ended:
                run.status = status


async def _answer(run: QueryRun) -> QueryStatus:
    """Have a process answer a query; it does not outlive this."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "lambd.services.logs.query_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    run.process = process
    try:
        if run.has_ended:
            # Stopped while the process was being made.
            return run.status
        out, err = await process.communicate(json.dumps(asdict(run.task)).encode())
    finally:
        run.process = None
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        run.answer = QueryAnswer(**json.loads(out))
        return QueryStatus.COMPLETE
    if not run.has_ended:
        why = "it needs too much memory" if process.returncode == MEMORY_STATUS else None
        error = why or err.decode(errors="replace")[-1000:]
        _log.warning("log_query_failed", action="query", query=run.id, error=error)
    return QueryStatus.FAILED
