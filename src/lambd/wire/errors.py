"""Errors as responses: `PlatformError` class -> error shape, message key, `Type` and status.

What a service's model says (status, case of the message key, whose fault) is read from it; the
service's table gives the rest. Here stand Lambda's table, and what AWS's front end answers for every
service, by protocol: shapes that no model has, as they were recorded (api.md sections 1 and 3.2);
those keys that were not recorded are marked. A shape is sent even if the operation does not declare
it, as AWS does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from lambd.http.messages import Response
from lambd.model import errors
from lambd.model.errors import (
    PlatformError,
    SandboxError,
    ThrottledError,
    UnimplementedOperationError,
)
from lambd.wire.codec_response import json_bytes
from lambd.wire.service_model import ErrorShape, Operation, ServiceModel, load_model

_NO_TYPE = ""


def unmodelled(name: str, status: int, message_key: str = "message") -> ErrorShape:
    """A shape that the service's model has not."""
    return ErrorShape(name, status, message_key, _NO_TYPE)


class _FrontEnd(NamedTuple):
    """One name everywhere; where the protocol is JSON 1.1 the status is 400, if not said otherwise."""

    name: str
    rest_status: int
    rest_key: str = "message"
    json_status: int = 400
    json_key: str = "message"

    def shape(self, model: ServiceModel) -> ErrorShape:
        if model.protocol == "json":
            return unmodelled(self.name, self.json_status, self.json_key)
        return unmodelled(self.name, self.rest_status, self.rest_key)


_TOO_LARGE = _FrontEnd("RequestEntityTooLargeException", 413, json_status=413)

_FRONT_END: Mapping[type[PlatformError], _FrontEnd] = {
    errors.AccessDeniedError: _FrontEnd(
        "AccessDeniedException", 403, rest_key="Message", json_key="Message"
    ),
    errors.ConstraintViolationError: _FrontEnd("ValidationException", 400),
    errors.IncompleteSignatureError: _FrontEnd("IncompleteSignatureException", 403),
    errors.InvalidSignatureError: _FrontEnd("InvalidSignatureException", 403),
    # Key not recorded for the next two; Coral's own is `Message`.
    errors.MalformedRequestError: _FrontEnd(
        "SerializationException", 400, rest_key="Message", json_key="Message"
    ),
    errors.UnknownOperationError: _FrontEnd("UnknownOperationException", 404, rest_key="Message"),
    errors.RequestEntityTooLargeError: _TOO_LARGE,
    errors.RequestTooLargeError: _TOO_LARGE,
    ThrottledError: _FrontEnd("ThrottlingException", 429),
    UnimplementedOperationError: _FrontEnd("NotImplementedException", 501, json_status=501),
    errors.UnrecognizedClientError: _FrontEnd("UnrecognizedClientException", 403),
    errors.UnsupportedMediaTypeError: _FrontEnd("UnknownOperationException", 404, json_status=404),
}

# What only Lambda refuses, and what another service takes it for.
_ELSEWHERE: Mapping[type[PlatformError], type[PlatformError]] = dict.fromkeys(
    (
        errors.AliasLimitExceededError,
        errors.CodeStorageExceededError,
        errors.InvalidRequestContentError,
        errors.PolicyLengthExceededError,
        errors.PreconditionFailedError,
        errors.RecursiveInvocationError,
    ),
    errors.InvalidParameterError,
) | {errors.ProvisionedConcurrencyNotFoundError: errors.NotFoundError}

# Error class -> the shape; where it is a string, the model has the rest.
Shapes = Mapping[type[PlatformError], str | ErrorShape]


class ErrorTable:
    """How one service tells of errors; see the module header."""

    # Classes that a service must have names for; `PlatformError` is any fault of ours.
    REQUIRED = (
        PlatformError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.InvalidParameterError,
    )

    def __init__(self, model: ServiceModel, shapes: Shapes) -> None:
        """Args:
        model: the service's.
        shapes: what the service has its own names for; a class without one is told as its parent,
            else as AWS's front end tells it.

        Raises:
            KeyError: the model has no such shape.
        """
        self.model = model
        self.shapes = MappingProxyType(
            {
                kind: model.error_shapes[shape] if isinstance(shape, str) else shape
                for kind, shape in shapes.items()
            }
        )

    def shape(self, kind: type[PlatformError]) -> ErrorShape:
        """The shape that a class of errors has."""
        for each in kind.__mro__:
            if each in self.shapes:
                return self.shapes[each]
            if each in _FRONT_END:
                return _FRONT_END[each].shape(self.model)
            if each in _ELSEWHERE:
                return self.shape(_ELSEWHERE[each])
        raise LookupError(kind)

    def encode(self, error: PlatformError, operation: Operation | None) -> Response:
        """The response to an error.

        Args:
            error: what was raised.
            operation: what was asked for; None if that is not known.
        """
        shape = self.shape(type(error))
        headers = [("Content-Type", self.model.content_type), ("x-amzn-ErrorType", shape.name)]
        if self.model.protocol == "json":
            body = {"__type": shape.name}
        else:
            body = {} if self.model.service != "lambda" else _lambda_members(error, shape)
        body[shape.message_key] = _message(error, operation)
        return Response(status=shape.status, headers=headers, body=json_bytes(body))


def _lambda_members(error: PlatformError, shape: ErrorShape) -> dict[str, str]:
    """`Type` and `Reason` are members of Lambda's shapes only.

    Throttles have a `Retry-After` in the model, which AWS was never seen to send: SDKs would wait
    for so long.
    """
    body = {"Type": shape.fault} if shape.fault else {}
    if isinstance(error, ThrottledError):
        # Reason first, as recorded.
        body = {"Reason": error.reason, **body}
    return body


def _message(error: PlatformError, operation: Operation | None) -> str:
    if isinstance(error, UnimplementedOperationError) and operation is not None:
        return f"The operation {operation.name} is not implemented by lambd yet"
    if isinstance(error, SandboxError):
        # What exactly is the operator's to read, in the platform's log.
        return "An error occurred and the request cannot be processed."
    return error.message


_LAMBDA: Shapes = {
    PlatformError: "ServiceException",
    errors.AccountLimitError: unmodelled("InvalidParameterValueException", 400),
    errors.AliasLimitExceededError: "AliasLimitExceededException",
    errors.ArtifactError: "InvalidZipFileException",
    errors.CodeStorageExceededError: "CodeStorageExceededException",
    errors.ConflictError: "ResourceConflictException",
    errors.InvalidParameterError: "InvalidParameterValueException",
    errors.InvalidRequestContentError: "InvalidRequestContentException",
    errors.NotFoundError: "ResourceNotFoundException",
    errors.PolicyLengthExceededError: "PolicyLengthExceededException",
    errors.PreconditionFailedError: "PreconditionFailedException",
    errors.ProvisionedConcurrencyNotFoundError: "ProvisionedConcurrencyConfigNotFoundException",
    errors.RecursiveInvocationError: "RecursiveInvocationException",
    errors.RequestTooLargeError: "RequestTooLargeException",
    ThrottledError: "TooManyRequestsException",
    errors.UnsupportedMediaTypeError: "UnsupportedMediaTypeException",
}


@cache
def lambda_errors() -> ErrorTable:
    """Lambda's table."""
    return ErrorTable(load_model("lambda"), _LAMBDA)


def encode_error(error: PlatformError, operation: Operation | None) -> Response:
    """The response of Lambda to an error; see `ErrorTable.encode`."""
    return lambda_errors().encode(error, operation)
