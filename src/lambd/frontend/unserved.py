"""Services of AWS that are not here: their clients are told so in their own protocol.

A client of another service comes here when it is given lambd as its endpoint: by AWS_ENDPOINT_URL,
which holds for all services and which functions have, or by a mistake. Without an answer that it can
read, its user would see a parse error instead of the reason.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from lambd.frontend.callers import Caller, read_caller
from lambd.frontend.visits import Handler, Visit
from lambd.http.messages import Response
from lambd.model.errors import PlatformError, UnimplementedOperationError
from lambd.wire.dialects import encode_plain_error
from lambd.wire.directory import Directory
from lambd.wire.errors import lambda_errors


class UnservedServices:
    """See the module header."""

    def __init__(self, directory: Directory, served: Collection[str]) -> None:
        """Args:
        directory: all services there are.
        served: those that are here, by the endpoint prefix of their models.
        """
        self._directory = directory
        self._served = served

    def route(self, visit: Visit) -> Handler | None:
        """The handler of a request for a service that is not here."""
        caller = read_caller(visit.request, self._directory)
        service = caller.service
        if service is None and not caller.name:
            return None
        if service is not None and service.endpoint_prefix in self._served:
            return None
        return partial(_refuse, caller)


def speak_as(visit: Visit, directory: Directory) -> None:
    """Have errors told in the protocol of whoever sent a request, unless that is Lambda's."""
    caller = read_caller(visit.request, directory)
    if caller.service is not None and caller.service.identifier != "lambda":
        visit.tell = partial(_tell, caller, visit.request_id)


def _refuse(caller: Caller, visit: Visit) -> None:
    visit.tell = partial(_tell, caller, visit.request_id)
    raise UnimplementedOperationError(_text(caller))


def _text(caller: Caller) -> str:
    service = caller.service
    if service is None:
        return (
            f"lambd does not serve {caller.name}, which is no service that it knows. Give its "
            "client an endpoint of its own by endpoint_url."
        )
    return (
        f"lambd does not serve {service.name} ({service.identifier}) yet. Give its client an "
        f"endpoint of its own: by the variable {service.endpoint_variable}, or by endpoint_url."
    )


def _tell(caller: Caller, request_id: str, error: PlatformError) -> Response:
    shape = lambda_errors().shape(type(error))
    return encode_plain_error(
        caller.dialect,
        status=shape.status,
        code=shape.name,
        message=error.message,
        request_id=request_id,
    )
