"""Functions and their versions as values.

A version's *deployment* is what an execution environment is built from: configuration and code
under one id. While an update is in progress a version has two: `deployment`, which the API shows,
and `serving`, which invocations still use (api.md section 6). Environments are pooled by
deployment id, so changed code can never meet an old environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lambd.model.arns import LATEST


class State(StrEnum):
    """`State` of a function version."""

    PENDING = "Pending"
    ACTIVE = "Active"
    INACTIVE = "Inactive"
    FAILED = "Failed"


class UpdateStatus(StrEnum):
    """`LastUpdateStatus` of a function version."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    IN_PROGRESS = "InProgress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a state or an update status is what it is: free text and AWS's reason code."""

    text: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingConfig:
    """`LoggingConfig`; None means AWS's default for the format."""

    log_format: str = "Text"
    application_log_level: str | None = None
    system_log_level: str | None = None
    # None: /aws/lambda/<name>
    log_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A stored archive: `sha256` in lower-case hex names the blob; size in bytes as uploaded."""

    sha256: str
    size_bytes: int
    # Of what is in it; 0 where it was stored before that was written down.
    unpacked_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionLayer:
    """A layer version as a function holds it: all that it needs even after that is deleted."""

    arn: str
    code: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """The settings of a version that AWS copies when it publishes one."""

    role: str
    runtime: str | None = None
    handler: str | None = None
    description: str = ""
    timeout_s: int = 3
    memory_mib: int = 128
    # None: never set, and absent from replies.
    environment: Mapping[str, str] | None = None
    architectures: tuple[str, ...] = ("x86_64",)
    ephemeral_storage_mib: int = 512
    package_type: str = "Zip"
    tracing_mode: str = "PassThrough"
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    # In the order of unpacking: later ones overwrite earlier ones.
    layers: tuple[FunctionLayer, ...] = ()
    # Queue or topic that gets the events of failed asynchronous invocations.
    dead_letter_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Configuration and code under one id; a new id whenever either changes."""

    id: str
    config: FunctionConfig
    code: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionVersion:
    """`$LATEST` or one published version of a function, as stored."""

    name: str
    version: str
    deployment: Deployment
    # What invocations use; None until the version first became Active.
    serving: Deployment | None
    revision_id: str
    last_modified: datetime
    state: State
    state_reason: Reason | None = None
    # None in the reply to CreateFunction, as on AWS.
    update_status: UpdateStatus | None = None
    update_reason: Reason | None = None

    @property
    def is_latest(self) -> bool:
        """Whether this is the mutable `$LATEST`."""
        return self.version == LATEST

    @property
    def config(self) -> FunctionConfig:
        """The configuration that the API shows."""
        return self.deployment.config

    @property
    def code(self) -> Code:
        """The code that the API shows."""
        return self.deployment.code

    @property
    def served(self) -> Deployment:
        """What invocations use, or will once the version is Active."""
        return self.serving or self.deployment

    @property
    def log_group(self) -> str:
        """The log group that this version writes to."""
        return self.config.logging.log_group or f"/aws/lambda/{self.name}"
