"""The seam between invoking and hosting: what runs functions, seen from who asks for it.

Only values cross it: keys, frozen descriptions, integers, and callbacks that take such. So the other
side may be this process (`environments/hosting.py`) or another one, and may serve several accounts
and regions at once: every key says whose it is.

A *token* is the right to run one invocation in one environment: who acquires one either invokes
with it or releases it, once. All calls and callbacks come on the event loop; none of them blocks,
and no method raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from lambd.model.arns import Scope
from lambd.model.errors import PlatformError
from lambd.model.functions import Deployment, FunctionVersion
from lambd.model.invocations import Invocation, InvocationResult, StreamHead


class FunctionKey(NamedTuple):
    """A function among those of all accounts and regions."""

    account_id: str
    region: str
    name: str


class DeploymentKey(NamedTuple):
    """What environments are pooled by; a tuple, since one is made for every invocation."""

    account_id: str
    region: str
    name: str
    version: str
    deployment_id: str

    @property
    def function(self) -> FunctionKey:
        """Whose version it is."""
        return FunctionKey(*self[:3])


class ProvisionedKey(NamedTuple):
    """Provisioned environments: those of one deployment, for one version number or alias."""

    account_id: str
    region: str
    name: str
    qualifier: str
    deployment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedVersion:
    """All that is needed to start environments of a version."""

    scope: Scope
    version: FunctionVersion
    # What of it runs: while an update is under way that is not what the API shows.
    deployment: Deployment
    # What its environments are pooled by.
    key: DeploymentKey = field(init=False)

    def __post_init__(self) -> None:
        scope, version = self.scope, self.version
        key = DeploymentKey(
            scope.account_id, scope.region, version.name, version.version, self.deployment.id
        )
        object.__setattr__(self, "key", key)

    @staticmethod
    def of(scope: Scope, version: FunctionVersion) -> HostedVersion:
        """A version with what invocations of it run now."""
        deployment = version.served
        return HostedVersion(scope=scope, version=version, deployment=deployment)

    def provisioned_key(self, qualifier: str) -> ProvisionedKey:
        """What its provisioned environments for a version number or an alias are known by."""
        scope, name = self.scope, self.version.name
        return ProvisionedKey(scope.account_id, scope.region, name, qualifier, self.deployment.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a host has, and what of it is promised to environments; MiB."""

    promisable_mib: int
    promised_mib: int
    # Environments that exist, and those of them that hold an invocation.
    environments: int
    busy: int


Token = int
# Takes a token, or why there is none.
TokenCallback = Callable[[Token | PlatformError], None]
# The same; None: every provisioned environment is taken.
ProvisionedCallback = Callable[[Token | PlatformError | None], None]
# Takes what an invocation came to; an error if it could not run.
EndedCallback = Callable[[InvocationResult | PlatformError], None]


class PartsListener(Protocol):
    """Takes a response in parts as it comes, before the end is told."""

    def begin(self, head: StreamHead) -> None:
        """The function begins to answer."""

    def write(self, data: bytes) -> bool:
        """Take a part; False asks for a pause until `Hosting.resume`."""


class Hosting(Protocol):
    """See the module header."""

    def acquire_nowait(self, key: DeploymentKey) -> Token | None:
        """A token for an idle environment, if there is one."""

    def acquire(self, hosted: HostedVersion, timeout_s: float, acquired: TokenCallback) -> None:
        """Call back with a token, once an environment is idle or has been started.

        Args:
            hosted: what to run.
            timeout_s: how long to wait at most.
            acquired: called once, perhaps before this returns. Its errors: ThrottledError (the
                host has no room, or nothing became free in time), SandboxError (none could be
                started), UnavailableError (the platform is shutting down).
        """

    def acquire_provisioned(
        self, key: ProvisionedKey, timeout_s: float, acquired: ProvisionedCallback
    ) -> None:
        """The same for a provisioned environment; calls back with None if none is free."""

    def invoke(
        self,
        token: Token,
        invocation: Invocation,
        ended: EndedCallback,
        parts: PartsListener | None = None,
    ) -> None:
        """Run an invocation, which takes the token.

        Args:
            token: from `acquire`.
            invocation: what to run.
            ended: called once, perhaps before this returns; SandboxError if the environment went
                away before it took the invocation.
            parts: takes the response as it comes; None: it is wanted whole.
        """

    def release(self, token: Token) -> None:
        """Give back a token that is not used."""

    def resume(self, token: Token) -> None:
        """Send on, after a `PartsListener.write` that gave False; a no-op after the end."""

    def discard(self, token: Token) -> None:
        """Nobody listens any more: the function goes on, its output is dropped as it comes."""

    def capacity(self) -> Capacity:
        """What the host has, and what of it is taken."""
