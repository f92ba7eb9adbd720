"""What hangs on a function beside its versions: policies, concurrency, event-invoke config, URLs.

Each setting belongs to a *scope* of the function, named by its qualifier: `$LATEST` (which is also
the unqualified function), a version number, or an alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lambd.model.policies import Policy


class RecursiveLoop(StrEnum):
    """`RecursiveLoop`: what happens to a function that calls itself in a loop."""

    ALLOW = "Allow"
    TERMINATE = "Terminate"


class UpdateRuntimeOn(StrEnum):
    """`UpdateRuntimeOn`: when a function moves to another version of its runtime."""

    AUTO = "Auto"
    FUNCTION_UPDATE = "FunctionUpdate"
    MANUAL = "Manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeManagement:
    """`RuntimeManagementConfig` of `$LATEST` or a version; the ARN only with Manual."""

    update_on: UpdateRuntimeOn = UpdateRuntimeOn.AUTO
    runtime_version_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInvokeConfig:
    """How asynchronous invocations of a scope are retried, and where their outcome goes."""

    # None: never set.
    maximum_retry_attempts: int | None = None
    maximum_event_age_s: int | None = None
    # ARNs.
    on_success: str | None = None
    on_failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEventInvokeConfig:
    """An `EventInvokeConfig` with its scope and time."""

    function_name: str
    qualifier: str
    config: EventInvokeConfig
    last_modified: datetime


class UrlAuthType(StrEnum):
    """`AuthType` of a function URL."""

    NONE = "NONE"
    AWS_IAM = "AWS_IAM"


class InvokeMode(StrEnum):
    """`InvokeMode` of a function URL."""

    BUFFERED = "BUFFERED"
    RESPONSE_STREAM = "RESPONSE_STREAM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """`Cors` of a function URL; None: not set."""

    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_origins: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrl:
    """A function URL; `id` is the first label of its host name."""

    id: str
    function_name: str
    qualifier: str
    auth_type: UrlAuthType
    # None: not sent by the caller, which means BUFFERED.
    invoke_mode: InvokeMode | None
    cors: Cors | None
    created_at: datetime
    last_modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionControls:
    """All that invocations of one function need to know besides the version; a snapshot."""

    # None: the function draws on the account's unreserved concurrency.
    reserved_concurrency: int | None = None
    # Of all versions and aliases together; it is part of the reservation if there is one.
    provisioned_concurrency: int = 0
    recursive_loop: RecursiveLoop = RecursiveLoop.TERMINATE
    # By qualifier.
    policies: Mapping[str, Policy] = field(default_factory=dict)
    event_invoke: Mapping[str, EventInvokeConfig] = field(default_factory=dict)

    @property
    def on_demand_reserved(self) -> int | None:
        """What is left of the reservation beside provisioned concurrency; None without one."""
        if self.reserved_concurrency is None:
            return None
        return max(0, self.reserved_concurrency - self.provisioned_concurrency)
