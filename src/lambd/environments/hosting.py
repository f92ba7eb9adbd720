"""The pool behind the seam of `model/hosting.py`: tokens for environments, within this process."""

from __future__ import annotations

from functools import partial
from itertools import count

import structlog

from lambd.environments.environment import ExecutionEnvironment
from lambd.environments.pool import Pool
from lambd.environments.provisioned import ProvisionedGroup
from lambd.model.errors import PlatformError, SandboxError
from lambd.model.hosting import (
    Capacity,
    DeploymentKey,
    EndedCallback,
    HostedVersion,
    PartsListener,
    ProvisionedCallback,
    ProvisionedKey,
    Token,
    TokenCallback,
)
from lambd.model.invocations import Invocation, InvocationResult

_log = structlog.get_logger(__name__)


class LocalHosting:
    """Implements `lambd.model.hosting.Hosting`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._numbers = count(1)
        # Neither used nor released.
        self._held: dict[Token, ExecutionEnvironment] = {}
        # Leases on provisioned environments; they end when the token's invocation does.
        self._leases: dict[Token, ProvisionedGroup] = {}
        # Whose response is taken in parts, until its end.
        self._streaming: dict[Token, ExecutionEnvironment] = {}

    def acquire_nowait(self, key: DeploymentKey) -> Token | None:
        """See `Hosting`."""
        environment = self._pool.acquire_nowait(key)
        if environment is None:
            return None
        token = next(self._numbers)
        self._held[token] = environment
        environment.is_held = True
        return token

    def acquire(self, hosted: HostedVersion, timeout_s: float, acquired: TokenCallback) -> None:
        """See `Hosting`."""
        self._pool.acquire(hosted, timeout_s, partial(self._acquired, acquired))

    def acquire_provisioned(
        self, key: ProvisionedKey, timeout_s: float, acquired: ProvisionedCallback
    ) -> None:
        """See `Hosting`."""
        group = self._pool.provisioned.lease(key)
        if group is None:
            acquired(None)
        else:
            group.acquire(timeout_s, partial(self._acquired_provisioned, group, acquired))

    def invoke(
        self,
        token: Token,
        invocation: Invocation,
        ended: EndedCallback,
        parts: PartsListener | None = None,
    ) -> None:
        """See `Hosting`."""
        environment = self._held.pop(token, None)
        if self._leases and token in self._leases:
            ended = partial(self._lease_ended, self._leases.pop(token), ended)
        if environment is None:
            ended(SandboxError(f"Token {token} is not valid"))
            return
        if parts is not None:
            self._streaming[token] = environment
            ended = partial(self._stream_ended, token, ended)
        try:
            environment.invoke(invocation, ended, parts)
        except PlatformError as error:
            ended(error)
        except Exception as error:  # noqa: BLE001 - a root: a fault of ours must reach the caller
            _log.exception("invocation_not_begun", request_id=invocation.request_id)
            environment.abandon()
            ended(SandboxError(str(error)))

    def release(self, token: Token) -> None:
        """See `Hosting`."""
        if (group := self._leases.pop(token, None)) is not None:
            group.release()
        if (environment := self._held.pop(token, None)) is not None:
            environment.give_back()

    def resume(self, token: Token) -> None:
        """See `Hosting`."""
        if (environment := self._streaming.get(token)) is not None:
            environment.resume_stream()

    def discard(self, token: Token) -> None:
        """See `Hosting`."""
        if (environment := self._streaming.get(token)) is not None:
            environment.discard_stream()

    def capacity(self) -> Capacity:
        """See `Hosting`."""
        return self._pool.capacity()

    def _token(self, environment: ExecutionEnvironment) -> Token:
        token = next(self._numbers)
        self._held[token] = environment
        environment.is_held = True
        return token

    def _acquired(
        self, acquired: TokenCallback, outcome: ExecutionEnvironment | PlatformError
    ) -> None:
        acquired(outcome if isinstance(outcome, PlatformError) else self._token(outcome))

    def _acquired_provisioned(
        self,
        group: ProvisionedGroup,
        acquired: ProvisionedCallback,
        outcome: ExecutionEnvironment | PlatformError,
    ) -> None:
        if isinstance(outcome, PlatformError):
            group.release()
            acquired(outcome)
            return
        token = self._token(outcome)
        self._leases[token] = group
        acquired(token)

    def _lease_ended(
        self,
        group: ProvisionedGroup,
        ended: EndedCallback,
        outcome: InvocationResult | PlatformError,
    ) -> None:
        group.release()
        ended(outcome)

    def _stream_ended(
        self, token: Token, ended: EndedCallback, outcome: InvocationResult | PlatformError
    ) -> None:
        del self._streaming[token]
        ended(outcome)
