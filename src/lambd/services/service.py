"""A service beside Lambda: its model and a handler for each operation it answers.

All of them share the platform's port. Those of the JSON 1.1 protocol are told apart by
`X-Amz-Target`, those of rest-json by method and path. A handler takes the decoded and validated
members of a request and gives those of the reply, as the model spells them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambd.http.messages import Request, Response
from lambd.model.errors import UnimplementedOperationError
from lambd.wire.service_model import Operation, ServiceModel

Handler = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonService:
    """See the module header; safe for concurrent calls."""

    model: ServiceModel
    handlers: Mapping[str, Handler]

    async def call(
        self, operation: Operation, labels: Mapping[str, str], request: Request
    ) -> Response:
        """The response to a request for one of the model's operations.

        Raises:
            UnimplementedOperationError: it has no handler.
            PlatformError: the request is malformed or refused.
        """
        handler = self.handlers.get(operation.name)
        if handler is None:
            raise UnimplementedOperationError
        return operation.encode(await handler(operation.decode(request, labels)))
