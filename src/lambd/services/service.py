"""A service beside Lambda: its model, its errors, and a handler for each operation it answers.

All of them share the platform's port. Those of the JSON 1.1 protocol are told apart by
`X-Amz-Target`, those of rest-json by method and path. A handler takes the surroundings of a request
that was let pass, and its decoded and validated members; it gives those of the reply, as the model
spells them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambd.access.actions import service_action
from lambd.access.authority import Authority
from lambd.control.context import ControlContext
from lambd.http.messages import Request, Response
from lambd.model.errors import UnimplementedOperationError
from lambd.model.policies import Principal
from lambd.wire.errors import ErrorTable
from lambd.wire.service_model import Operation, ServiceModel

Handler = Callable[[ControlContext, Mapping[str, Any]], Awaitable[dict[str, Any]]]
Contexts = Callable[[Principal], ControlContext]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """See the module header; safe for concurrent calls."""

    # With the service's model.
    errors: ErrorTable
    handlers: Mapping[str, Handler]
    # Who asks -> the surroundings of a request that comes now.
    contexts: Contexts

    @property
    def model(self) -> ServiceModel:
        """The service's model."""
        return self.errors.model

    async def call(
        self,
        operation: Operation,
        labels: Mapping[str, str],
        request: Request,
        authority: Authority,
    ) -> Response:
        """The response to a request for one of the model's operations.

        Raises:
            UnimplementedOperationError: it has no handler.
            AccessDeniedError: the caller may not do this.
            PlatformError: the request is malformed or refused.
        """
        handler = self.handlers.get(operation.name)
        if handler is None:
            raise UnimplementedOperationError
        params = operation.decode(request, labels)
        principal = authority.authenticate(request)
        action = service_action(self.model.service, operation.name)
        pending = authority.authorise(principal, action, None, request)
        if pending is not None:
            await pending
        return operation.encode(await handler(self.contexts(principal), params))
