"""A program that accepts and attempts events under load, and is killed again and again.

`python -m tests.integration.event_driver DIRECTORY KILLS SEED` imports everything once, then forks a
child for each round and kills it at a random moment: of its start in every other round, in the rest
of its work, which is told by how many events it has acknowledged, however fast the machine is. Children write what they acknowledged, and
every attempt with its result, to files: one write each, which outlives the process. At the
end nothing is accepted any more, and what is left is worked off.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

import uvloop
from tests.unit.invoke.event_world import ARN, Told

from lambd.invoke.delivery_calls import DeliveryCalls
from lambd.invoke.event_options import EventOptions
from lambd.invoke.events import EventQueue, EventSurroundings
from lambd.invoke.pipeline import InvokedCallback
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError, ThrottledError
from lambd.model.function_controls import EventInvokeConfig, FunctionControls
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.limits import Limits
from lambd.store.controls_cache import ControlsCache
from lambd.store.database import Database
from lambd.store.event_journal import EventJournal
from lambd.store.events import list_backlogs

SCOPE = Scope(account_id="000000000000", region="us-east-1")
# Accepts under way at a time.
TOGETHER = 16
OK = InvocationResult(payload=b"1", executed_version="$LATEST")
BAD = InvocationResult(payload=b"{}", executed_version="$LATEST", function_error="Unhandled")
_LONGEST_START_S = 0.09
# Of one round, and the time after them.
_MOST_ACKNOWLEDGED = 60
_LONGEST_WORK_S = 0.005


class Driver:
    """One process's life."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._random = random.Random(seed)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._acknowledged = os.open(directory / "acknowledged", flags)
        self._ran = os.open(directory / "ran", flags)
        self._failed = os.open(directory / "failed", flags)
        self._told = os.open(directory / "told", flags)
        self._numbers = (f"{seed}-{number}" for number in itertools.count())
        # Where the parent reads how far it has come: a byte for the start, one for each event.
        self._progress: int | None = None

    async def run(self, progress: int | None) -> None:
        """Accept and work until killed, telling `progress` of it; without, end the rest."""
        self._progress = progress
        database = await asyncio.to_thread(Database.open, self._directory / "data")
        options = EventOptions(
            scope=SCOPE,
            limits=Limits(),
            retry_delays_s=(0.005,),
            max_per_function=16,
            first_backoff_s=0.002,
        )
        controls = ControlsCache(_controls)
        async with asyncio.TaskGroup() as tasks:
            queue = EventQueue(
                journal=EventJournal(database),
                around=EventSurroundings(
                    invoke=self._invoke,
                    controls=controls,
                    dead_letter=_no_queue,
                    calls=DeliveryCalls(Told(), SCOPE),
                    logs_durable=lambda tell: tell(),
                ),
                options=options,
                tasks=tasks,
            )
            await queue.open()
            if progress is not None:
                os.write(progress, b".")
                for _ in range(TOGETHER):
                    self._accept(queue)
                await asyncio.Event().wait()
            while await database.read(list_backlogs):  # noqa: ASYNC110 - shows on disk only
                await asyncio.sleep(0.05)
            await queue.close()
        database.close()

    def _accept(self, queue: EventQueue) -> None:
        number = next(self._numbers)
        request = InvocationRequest(
            request_id=number,
            # Three ordinary functions, and one whose ends another is told.
            function_name=f"f{self._random.randrange(4)}",
            qualifier=None,
            invocation_type=InvocationType.EVENT,
            payload=b'{"n":1}' if self._random.random() < 0.9 else b'"' + b"x" * 4000 + b'"',
        )
        queue.accept(request, partial(self._accepted, queue, request))

    def _accepted(
        self,
        queue: EventQueue,
        request: InvocationRequest,
        outcome: InvocationResult | PlatformError | None,
    ) -> None:
        assert outcome is None, outcome
        os.write(self._acknowledged, f"{request.function_name} {request.request_id}\n".encode())
        if self._progress is not None:
            os.write(self._progress, b".")
        self._accept(queue)

    def _invoke(self, request: InvocationRequest, invoked: InvokedCallback) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._random.random() * 0.003, self._answer, request, invoked)

    def _answer(self, request: InvocationRequest, invoked: InvokedCallback) -> None:
        chance = self._random.random()
        if request.function_name == "told":
            told = json.loads(request.payload)["requestContext"]["requestId"]
            os.write(self._told, f"{told}\n".encode())
            invoked(OK)
        elif chance < 0.01:
            invoked(ThrottledError("x"))
        elif chance < 0.04:
            os.write(self._failed, f"{request.request_id}\n".encode())
            invoked(BAD)
        else:
            os.write(self._ran, f"{request.request_id}\n".encode())
            invoked(OK)


async def _controls(name: str) -> FunctionControls:
    # Told of both ends: an attempt that succeeded and was killed before that was stored is made
    # again, and may then fail for good.
    told = ARN + "told" if name == "f3" else None
    config = EventInvokeConfig(on_success=told, on_failure=told)
    return FunctionControls(event_invoke={"$LATEST": config})


async def _no_queue(_name: str, _qualifier: str | None) -> None:
    """Functions without dead-letter queues."""


def main(directory: Path, kills: int, seed: int) -> None:
    """Run the rounds, and the last one."""
    chance = random.Random(seed)
    for number in range(kills):
        shown, progress = os.pipe()
        child = os.fork()
        if not child:
            uvloop.run(Driver(directory, seed + number).run(progress))
            os._exit(1)
        os.close(progress)
        if number % 2:
            time.sleep(chance.random() * _LONGEST_START_S)
        else:
            for _ in range(1 + chance.randrange(_MOST_ACKNOWLEDGED)):
                os.read(shown, 1)
            time.sleep(chance.random() * _LONGEST_WORK_S)
        os.close(shown)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "a round ended by itself"
    uvloop.run(Driver(directory, seed + kills).run(None))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
