"""An event queue on SQLite in memory, a scripted pipeline, and a publisher that remembers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy.pool import StaticPool

from lambd.invoke.delivery_calls import Attributes, DeliveryCalls
from lambd.invoke.destinations import BusEvent
from lambd.invoke.event_options import EventOptions
from lambd.invoke.events import EventQueue, EventSurroundings
from lambd.invoke.pipeline import InvokedCallback
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError, UnavailableError
from lambd.model.function_controls import EventInvokeConfig, FunctionControls
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.limits import Limits
from lambd.store.controls_cache import ControlsCache
from lambd.store.database import Connection, Database
from lambd.store.event_journal import EventJournal
from lambd.store.tables_events import events
from lambd.store.writer import DoneCallback

_P = ParamSpec("_P")
_T = TypeVar("_T")

SCOPE = Scope(account_id="000000000000", region="us-east-1")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/b"
BUCKET = "arn:aws:s3:::records"
OK = InvocationResult(payload=b'{"a":1}', executed_version="$LATEST")
BAD = InvocationResult(payload=b"no json", executed_version="7", function_error="Unhandled")


class MemoryDatabase(Database):
    """The store's contract on SQLite in memory, at once and on the event loop."""

    def __init__(self) -> None:
        engine = sqlalchemy.create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        self._memory = engine
        events.create(engine)
        _open.append(self)
        # Raised by transactions, while it is set.
        self.failure: Exception | None = None

    def give_back_space(self) -> None:
        """There is no file."""

    def submit(self, work: Callable[[Connection], object], done: DoneCallback) -> None:
        """One transaction, in the next round of the loop."""
        asyncio.get_running_loop().call_soon(self._work, work, done)

    def _work(self, work: Callable[[Connection], object], done: DoneCallback) -> None:
        if self.failure is not None:
            done(None, self.failure)
            return
        with self._memory.begin() as connection:
            result = work(connection)
        done(result, None)

    async def run(
        self, fn: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """One transaction."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        with self._memory.begin() as connection:
            return fn(connection, *args, **kwargs)

    async def read(
        self, fn: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """One transaction."""
        return await self.run(fn, *args, **kwargs)

    @property
    def waiting(self) -> int:
        """Events in the table."""
        with self._memory.begin() as connection:
            query = sqlalchemy.select(sqlalchemy.func.count()).select_from(events)
            return int(connection.execute(query).scalar_one())

    def dispose(self) -> None:
        """Close the connection."""
        self._memory.dispose()


# Those that have not been closed: tests look into them after the queue has ended.
_open: list[MemoryDatabase] = []


def close_databases() -> None:
    """Close what the test that has ended has opened."""
    while _open:
        _open.pop().dispose()


@dataclass
class Told:
    """Remembers what services were told: (call, ARN, text, attributes)."""

    calls: list[tuple[str, str, str, Attributes]] = field(default_factory=list)
    bus_events: list[BusEvent] = field(default_factory=list)
    # ARN -> how many calls to it fail from now on.
    failures: dict[str, int] = field(default_factory=dict)
    # ARN -> what calls to it wait for.
    hangs: dict[str, threading.Event] = field(default_factory=dict)

    def _tell(self, call: str, arn: str, text: str, attributes: Attributes) -> None:
        if (hang := self.hangs.get(arn)) is not None:
            hang.wait(30)
        if self.failures.get(arn, 0) > 0:
            self.failures[arn] -= 1
            raise UnavailableError("no such thing")
        self.calls.append((call, arn, text, attributes))

    def send_message(self, queue_arn: str, body: str, attributes: Attributes, trace: str) -> None:
        """SQS."""
        assert trace
        self._tell("sqs", queue_arn, body, attributes)

    def publish(self, topic_arn: str, message: str, attributes: Attributes) -> None:
        """SNS."""
        self._tell("sns", topic_arn, message, attributes)

    def put_event(self, bus_arn: str, event: BusEvent) -> None:
        """EventBridge."""
        self._tell("events", bus_arn, event.detail, {})
        self.bus_events.append(event)

    def put_object(self, bucket_arn: str, key: str, body: bytes) -> None:
        """S3."""
        self._tell("s3", bucket_arn, body.decode(), {"key": ("", key)})


# What an attempt comes to.
Result = InvocationResult | PlatformError


def configured(qualifier: str = "$LATEST", **members: Any) -> FunctionControls:
    """Settings with an event-invoke config."""
    return FunctionControls(event_invoke={qualifier: EventInvokeConfig(**members)})


def event(
    payload: bytes = b'{"n":1}', *, function: str = "f", qualifier: str | None = None
) -> InvocationRequest:
    """An asynchronous request."""
    return InvocationRequest(
        request_id="r",
        function_name=function,
        qualifier=qualifier,
        invocation_type=InvocationType.EVENT,
        payload=payload,
        client_context="{}",
        wants_log_tail=True,
    )


@dataclass
class EventWorld:
    """Functions whose results are given, and what was asked of the pipeline."""

    # Of function `f`, in order; functions without any succeed.
    results: list[Result] = field(default_factory=list)
    settings: FunctionControls = field(default_factory=FunctionControls)
    dead_letter_arn: str | None = None
    delays_s: tuple[float, ...] = (0.0,)
    max_per_function: int = 500
    growth_s: float = 1.0
    concurrency: int = 1000
    queued_event_bytes: int = 0
    # While set, attempts wait here for the test to answer them.
    holds_attempts: bool = False
    # While set, what functions write is not on disk until the test says so.
    holds_logs: bool = False
    unlogged: list[Callable[[], None]] = field(default_factory=list)
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    told: Told = field(default_factory=Told)
    attempts: list[InvocationRequest] = field(default_factory=list)
    # Attempts of other functions than `f`: those that were told of an outcome.
    records: list[InvocationRequest] = field(default_factory=list)
    held: list[tuple[InvocationRequest, InvokedCallback]] = field(default_factory=list)
    accepted: list[object] = field(default_factory=list)
    controls_cache: ControlsCache = field(init=False)

    def invoke(self, request: InvocationRequest, invoked: InvokedCallback) -> None:
        """Stands in for the pipeline."""
        (self.attempts if request.function_name == "f" else self.records).append(request)
        if self.holds_attempts:
            self.held.append((request, invoked))
        elif request.function_name == "f" and self.results:
            invoked(self.results.pop(0))
        else:
            invoked(OK)

    def when_logged(self, tell: Callable[[], None]) -> None:
        """Stands in for the log store: all is on disk, unless the test says when."""
        if self.holds_logs:
            self.unlogged.append(tell)
        else:
            tell()

    async def read_controls(self, name: str) -> FunctionControls:
        """Stands in for the store."""
        return self.settings if name == "f" else FunctionControls()

    async def read_dead_letter(self, _name: str, _qualifier: str | None) -> str | None:
        """Stands in for the version."""
        return self.dead_letter_arn

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EventQueue]:
        """An open queue, closed after the block."""
        options = EventOptions(
            scope=SCOPE,
            limits=Limits(
                concurrent_executions=self.concurrency,
                queued_event_bytes=self.queued_event_bytes,
            ),
            retry_delays_s=self.delays_s,
            max_per_function=self.max_per_function,
            first_backoff_s=0.001,
            longest_pause_s=0.002,
            growth_s=self.growth_s,
        )
        controls = self.controls_cache = ControlsCache(self.read_controls)
        async with asyncio.TaskGroup() as tasks:
            queue = EventQueue(
                journal=EventJournal(self.database),
                around=EventSurroundings(
                    invoke=self.invoke,
                    controls=controls,
                    dead_letter=self.read_dead_letter,
                    calls=DeliveryCalls(self.told, SCOPE),
                    logs_durable=self.when_logged,
                ),
                options=options,
                tasks=tasks,
            )
            await queue.open()
            yield queue
            await queue.drain(0)
            await queue.close()

    async def run(self, *requests: InvocationRequest) -> EventQueue:
        """Accept events and wait until all are done with."""
        async with self.running() as queue:
            for request in requests:
                queue.accept(request, self.accepted.append)
            await until(lambda: len(self.accepted) == len(requests) and not self.database.waiting)
        return queue

    def record(self) -> dict[str, Any]:
        """The one record that a function was told."""
        assert len(self.records) == 1
        document: dict[str, Any] = json.loads(self.records[0].payload)
        return document


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - conditions of many kinds
            await asyncio.sleep(0.001)
