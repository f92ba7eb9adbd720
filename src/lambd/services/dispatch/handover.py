"""One dispatch: handed to Lambda as an event, tried again, or made a dead letter.

The event takes the dispatch's place in the transaction that stores it, so it is handed over once. A
dead letter is sent before the dispatch is removed: if the platform is killed between the two, the
queue gets it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from lambd.access.actions import INVOKE_FUNCTION
from lambd.access.authority import Authority
from lambd.access.context_keys import OnBehalf
from lambd.control.context import ControlContext
from lambd.model.arns import FunctionReference
from lambd.model.errors import (
    NotFoundError,
    PlatformError,
    UnavailableError,
)
from lambd.model.function_controls import FunctionControls
from lambd.model.invocations import InvocationRequest, InvocationType
from lambd.services.dispatch.failures import may_retry
from lambd.services.dispatch.model import (
    Dispatch,
    DispatchFailure,
    Exhausted,
    retry_delay,
)
from lambd.services.dispatch.occurrences import Draw
from lambd.services.dispatch.rows import delete_dispatch, update_dispatch
from lambd.services.dispatch.sources import DispatchSource, Sources
from lambd.store.database import Connection, Database
from lambd.store.function_controls import read_controls

_log = structlog.get_logger(__name__)

# Times that a dead-letter queue is tried before it is given up.
_DELIVERIES = 4
# Longest text of an error in a message attribute, characters.
_ERROR_MESSAGE_CHARACTERS = 1024

# Name -> type and value.
Attributes = dict[str, tuple[str, str]]
# Takes an event, and what is to be done in the transaction that stores it.
Accept = Callable[[InvocationRequest, Callable[[Connection], object]], Awaitable[None]]


class Queues(Protocol):
    """Sends messages to SQS (`aws/publisher.py`); blocks, and raises UnavailableError."""

    def send_message(
        self, queue_arn: str, body: str, attributes: Attributes, trace: str | None
    ) -> None:
        """Send one."""


class Handover:
    """See the module header; safe for concurrent calls with different dispatches."""

    def __init__(
        self,
        *,
        database: Database,
        context: Callable[[], ControlContext],
        sources: Sources,
        authority: Authority,
        accept: Accept,
        queues: Queues,
        draw: Draw,
    ) -> None:
        """Args:
        database: where the dispatches are.
        context: the surroundings of what is done now.
        sources: what the dispatches are of.
        authority: judges whether a schedule or a rule may invoke its function.
        accept: the way into Lambda; returns once an event is durable.
        queues: where dead letters go.
        draw: spreads what is tried again.
        """
        self._database = database
        self._context = context
        self._sources = sources
        self._authority = authority
        self._accept = accept
        self._queues = queues
        self._draw = draw

    async def hand_over(self, dispatch: Dispatch) -> None:
        """Do what is to be done for a dispatch that is due."""
        if dispatch.is_dead:
            await self._send_dead_letter(dispatch)
            return
        if self._context().now > dispatch.expires_at:
            never_tried = UnavailableError("It could not be tried in time")
            failure = dispatch.failure or self._failure(dispatch, never_tried)
            await self._give_up(dispatch, failure, Exhausted.AGE)
            return
        try:
            await self._start(dispatch)
        except PlatformError as error:
            await self._failed(dispatch, error)

    async def postpone(self, dispatch: Dispatch) -> None:
        """Have it tried later, after a fault of ours."""
        due_at = self._context().now + retry_delay(dispatch.attempts + 1, self._draw())
        await self._database.run(update_dispatch, replace(dispatch, due_at=due_at))

    async def _start(self, dispatch: Dispatch) -> None:
        controls: FunctionControls | None = await self._database.read(
            read_controls, dispatch.function_name
        )
        context = self._context()
        if controls is None:
            arn = context.scope.function_arn(dispatch.function_name, dispatch.qualifier)
            raise NotFoundError(f"Function not found: {arn}")
        await self._authorise(dispatch, context)
        request = InvocationRequest(
            request_id=dispatch.request_id,
            function_name=dispatch.function_name,
            qualifier=dispatch.qualifier,
            invocation_type=InvocationType.EVENT,
            payload=self._sources.of(dispatch).payload(dispatch),
        )
        await self._accept(request, partial(delete_dispatch, dispatch=dispatch))

    async def _authorise(self, dispatch: Dispatch, context: ControlContext) -> None:
        """Raise AccessDeniedError unless a dispatch may become an invocation."""
        scope = context.scope
        principal = self._sources.of(dispatch).principal(dispatch, scope)
        function = FunctionReference(name=dispatch.function_name, qualifier=dispatch.qualifier)
        origin = OnBehalf(
            source_arn=dispatch.source_arn, account_id=scope.account_id, now=context.now
        )
        pending = self._authority.authorise(principal, INVOKE_FUNCTION, function, origin)
        if pending is not None:
            await pending

    def _failure(self, dispatch: Dispatch, error: PlatformError) -> DispatchFailure:
        code = self._sources.of(dispatch).error_code(error)
        return DispatchFailure(code=code, message=error.message)

    async def _failed(self, dispatch: Dispatch, error: PlatformError) -> None:
        failure = self._failure(dispatch, error)
        tried = replace(dispatch, attempts=dispatch.attempts + 1, failure=failure)
        now = self._context().now
        due_at = now + retry_delay(tried.attempts, self._draw())
        if not may_retry(error):
            await self._give_up(tried, failure, None)
        elif tried.attempts > dispatch.max_retries:
            await self._give_up(tried, failure, Exhausted.ATTEMPTS)
        elif due_at > dispatch.expires_at:
            await self._give_up(tried, failure, Exhausted.AGE)
        else:
            _report("dispatch_attempt_failed", tried)
            await self._database.run(update_dispatch, replace(tried, due_at=due_at))

    # --- dead letters ---------------------------------------------------------------------------

    async def _give_up(
        self, dispatch: Dispatch, failure: DispatchFailure, exhausted: Exhausted | None
    ) -> None:
        failure = replace(failure, exhausted=exhausted)
        dead = replace(dispatch, failure=failure, is_dead=True, due_at=self._context().now)
        _report("dispatch_failed", dead)
        if dispatch.dead_letter_arn is None:
            await self._database.run(delete_dispatch, dead)
            return
        await self._database.run(update_dispatch, dead)
        await self._send_dead_letter(dead)

    async def _send_dead_letter(self, dispatch: Dispatch) -> None:
        arn = dispatch.dead_letter_arn or ""
        body, attributes = _dead_letter(dispatch, self._sources.of(dispatch))
        try:
            await asyncio.to_thread(self._queues.send_message, arn, body, attributes, None)
        except UnavailableError as error:
            failures = dispatch.failed_deliveries + 1
            _log.warning(
                "dead_letter_failed", queue=arn, source=dispatch.source_arn, error=error.message
            )
            if failures < _DELIVERIES:
                due_at = self._context().now + retry_delay(failures, self._draw())
                later = replace(dispatch, failed_deliveries=failures, due_at=due_at)
                await self._database.run(update_dispatch, later)
                return
            _report("dead_letter_given_up", dispatch)
        await self._database.run(delete_dispatch, dispatch)


def _dead_letter(dispatch: Dispatch, source: DispatchSource) -> tuple[str, Attributes]:
    """Body and attributes of the message that tells of a dispatch that came to nothing."""
    failure = dispatch.failure
    assert failure is not None  # noqa: S101 - it is dead
    body, of_source = source.dead_letter(dispatch)
    found = {
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": failure.message[:_ERROR_MESSAGE_CHARACTERS],
        "RETRY_ATTEMPTS": str(max(dispatch.attempts - 1, 0)),
        "TARGET_ARN": dispatch.target_arn,
        **of_source,
    }
    if failure.exhausted is not None:
        found["EXHAUSTED_RETRY_CONDITION"] = failure.exhausted.value
    # The service refuses an attribute without a value.
    return body, {name: ("String", value) for name, value in found.items() if value}


def _report(action: str, dispatch: Dispatch) -> None:
    failure = dispatch.failure
    _log.warning(
        action,
        source=dispatch.source_arn,
        function=dispatch.function_name,
        request_id=dispatch.request_id,
        attempts=dispatch.attempts,
        code=failure and failure.code,
        reason=failure and failure.message,
    )
