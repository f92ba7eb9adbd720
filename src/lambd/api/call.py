"""What the handlers of Lambda operations work with.

A handler takes the decoded members of one request and gives those of the reply, in AWS's shapes, when
it is awaited; one that gives nothing to wait for, for the sake of the warm path, replies by itself:
the handlers (`functions.py`, `invocations.py`, ...) are where these meet the typed functions of
`control` and `invoke`; `operations.py` is the table of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambd.aws.clients import S3Source
from lambd.control.context import ControlContext, RuntimeRules
from lambd.http.exchanges import Exchange
from lambd.invoke.pipeline import InvokePipeline
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError
from lambd.model.limits import Limits
from lambd.model.policies import Principal
from lambd.store.blobs import BlobStore
from lambd.store.database import Database
from lambd.wire.service_model import Operation

# Members of a request or a reply in AWS's shape.
Members = dict[str, Any]
# Takes the members of a reply, or why there are none; called once.
Reply = Callable[[Members | PlatformError], None]


class Call:
    """One decoded request."""

    __slots__ = (
        "exchange",
        "operation",
        "params",
        "principal",
        "reply",
        "request",
        "request_id",
    )

    def __init__(
        self,
        operation: Operation,
        params: Members,
        exchange: Exchange,
        request_id: str,
        principal: Principal,
        reply: Reply,
    ) -> None:
        self.operation = operation
        self.params = params
        self.request = exchange.request
        self.request_id = request_id
        # Who sent it.
        self.principal = principal
        # For handlers that give nothing to wait for: they call this, now or later ...
        self.reply = reply
        # ... or answer in parts.
        self.exchange = exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaApi:
    """The parts of the platform that handlers call."""

    scope: Scope
    limits: Limits
    database: Database
    blobs: BlobStore
    s3: S3Source
    pipeline: InvokePipeline
    # SHA-256 of an archive -> URL at which it can be downloaded for ten minutes.
    code_link: Callable[[str], str]
    runtimes: RuntimeRules
    # Identifier of a runtime -> ARN of the version that this machine runs; raises
    # RuntimeUnavailableError if there is none.
    runtime_version_arn: Callable[[str], Awaitable[str]]
    # Function and qualifier -> provisioned environments (allocated, ready for invocations).
    provisioned_counts: Callable[[str, str], tuple[int, int]]
    # Where function URLs are served: `http` or `https`, and the domain with its port.
    url_scheme: str
    url_domain: str

    def function_url(self, url_id: str) -> str:
        """The URL with this id."""
        return f"{self.url_scheme}://{url_id}.lambda-url.{self.scope.region}.{self.url_domain}/"

    def context(self, principal: Principal) -> ControlContext:
        """What a control function needs to know of its surroundings, now."""
        return ControlContext(
            principal=principal,
            scope=self.scope,
            limits=self.limits,
            now=datetime.now(UTC),  # noqa: TID251 - an edge
            runtimes=self.runtimes,
        )
