"""THE table: `PlatformError` class -> AWS error shape, message key, `Type` and status.

What the model says (status, case of the message key, whose fault) is read from it; the table gives
the rest. Shapes that no model has, because AWS's front end answers with them, stand here with what
was recorded (api.md sections 1 and 3.2); those keys that were not recorded are marked. A shape is
sent even if the operation does not declare it, as AWS does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lambd.http.messages import Response
from lambd.model import errors
from lambd.model.errors import PlatformError, ThrottledError, UnimplementedOperationError
from lambd.wire.codec_response import JSON_CONTENT_TYPE, json_bytes
from lambd.wire.service_model import (
    ErrorShape,
    Operation,
    ServiceModel,
    load_lambda_model,
)

_JSON_1_1 = "application/x-amz-json-1.1"
_NO_TYPE = ""


def _unmodelled(name: str, status: int, message_key: str = "message") -> ErrorShape:
    return ErrorShape(name, status, message_key, _NO_TYPE)


_INVALID_REQUEST = "ValidationException"


class ErrorForm(NamedTuple):
    """The shape an error class has in each service; where it is a string, the model has the rest."""

    lambda_shape: str | ErrorShape
    logs_shape: str | ErrorShape
    autoscaling_shape: str | ErrorShape = _INVALID_REQUEST
    # Its model has none for it.
    events_shape: str | ErrorShape = _unmodelled(_INVALID_REQUEST, 400)
    scheduler_shape: str | ErrorShape = _INVALID_REQUEST

    def shape(self, model: ServiceModel) -> ErrorShape:
        """The shape in a service."""
        found = {
            "lambda": self.lambda_shape,
            "logs": self.logs_shape,
            "application-autoscaling": self.autoscaling_shape,
            "events": self.events_shape,
            "scheduler": self.scheduler_shape,
        }[model.service]
        return model.error_shapes[found] if isinstance(found, str) else found


def _of_front_end(name: str, status: int, *, message_key: str = "message") -> ErrorForm:
    """What AWS's front end answers: one name everywhere; 400 where the protocol is JSON 1.1."""
    rest, plain = _unmodelled(name, status, message_key), _unmodelled(name, 400, message_key)
    return ErrorForm(rest, plain, plain, plain, rest)


def _everywhere(shape: ErrorShape) -> ErrorForm:
    return ErrorForm(shape, shape, shape, shape, shape)


_UNKNOWN = "UnknownOperationException"
_DENIED = "AccessDeniedException"
_NOT_FOUND = "ResourceNotFoundException"
_TOO_LARGE = _unmodelled("RequestEntityTooLargeException", 413)
_SERVICE = ErrorForm(
    "ServiceException",
    "ServiceUnavailableException",
    # Its model gives no status.
    _unmodelled("InternalServiceException", 500, "Message"),
    "InternalException",
    "InternalServerException",
)
_INVALID = ("InvalidParameterValueException", "InvalidParameterException")

FORMS: Mapping[type[PlatformError], ErrorForm] = {
    # What a subclass without a row falls back on; a test holds that there is none.
    PlatformError: _SERVICE,
    errors.NotFoundError: ErrorForm(
        *(_NOT_FOUND, _NOT_FOUND, "ObjectNotFoundException"), *(_NOT_FOUND, _NOT_FOUND)
    ),
    errors.ProvisionedConcurrencyNotFoundError: ErrorForm(
        "ProvisionedConcurrencyConfigNotFoundException",
        *(_NOT_FOUND, "ObjectNotFoundException", _NOT_FOUND, _NOT_FOUND),
    ),
    errors.ScalableResourceNotFoundError: ErrorForm(
        *(_NOT_FOUND, _NOT_FOUND, _NOT_FOUND, _NOT_FOUND, _NOT_FOUND)
    ),
    errors.ConflictError: ErrorForm(
        "ResourceConflictException",
        "ResourceAlreadyExistsException",
        "ConcurrentUpdateException",
        "ConcurrentModificationException",
        "ConflictException",
    ),
    errors.InvalidParameterError: ErrorForm(*_INVALID),
    errors.InvalidTokenError: ErrorForm(*_INVALID, "InvalidNextTokenException"),
    errors.TooManyTagsError: ErrorForm(*_INVALID, "TooManyTagsException"),
    errors.QuotaExceededError: ErrorForm(
        *_INVALID,
        "LimitExceededException",
        "LimitExceededException",
        "ServiceQuotaExceededException",
    ),
    errors.ConstraintViolationError: ErrorForm(
        _unmodelled("ValidationException", 400), "InvalidParameterException"
    ),
    # Key not recorded for the next two; Coral's own is `Message`.
    errors.MalformedRequestError: _of_front_end(
        "SerializationException", 400, message_key="Message"
    ),
    errors.UnknownOperationError: ErrorForm(
        _unmodelled(_UNKNOWN, 404, "Message"),
        *(_unmodelled(_UNKNOWN, 400), _unmodelled(_UNKNOWN, 400), _unmodelled(_UNKNOWN, 400)),
        _unmodelled(_UNKNOWN, 404, "Message"),
    ),
    UnimplementedOperationError: _everywhere(_unmodelled("NotImplementedException", 501)),
    errors.PreconditionFailedError: ErrorForm(
        "PreconditionFailedException", "OperationAbortedException"
    ),
    errors.RequestTooLargeError: _everywhere(_TOO_LARGE)._replace(
        lambda_shape="RequestTooLargeException"
    ),
    errors.RequestEntityTooLargeError: _everywhere(_TOO_LARGE),
    errors.InvalidRequestContentError: ErrorForm(
        "InvalidRequestContentException", "InvalidParameterException"
    ),
    errors.UnsupportedMediaTypeError: _everywhere(_unmodelled(_UNKNOWN, 404))._replace(
        lambda_shape="UnsupportedMediaTypeException"
    ),
    errors.CodeStorageExceededError: ErrorForm(
        "CodeStorageExceededException", "LimitExceededException"
    ),
    errors.AliasLimitExceededError: ErrorForm(
        "AliasLimitExceededException", "LimitExceededException"
    ),
    errors.PolicyLengthExceededError: ErrorForm(
        "PolicyLengthExceededException", "LimitExceededException"
    ),
    errors.RecursiveInvocationError: ErrorForm(
        "RecursiveInvocationException", "InvalidParameterException"
    ),
    errors.ArtifactError: _SERVICE._replace(lambda_shape="InvalidZipFileException"),
    errors.AccessDeniedError: ErrorForm(
        _unmodelled(_DENIED, 403, "Message"),
        _unmodelled(_DENIED, 400),
        *(_unmodelled(_DENIED, 400, "Message"), _unmodelled(_DENIED, 400, "Message")),
        _unmodelled(_DENIED, 403, "Message"),
    ),
    errors.InvalidSignatureError: _of_front_end("InvalidSignatureException", 403),
    errors.IncompleteSignatureError: _of_front_end("IncompleteSignatureException", 403),
    errors.UnrecognizedClientError: _of_front_end("UnrecognizedClientException", 403),
    ThrottledError: ErrorForm(
        "TooManyRequestsException",
        "ThrottlingException",
        *(_unmodelled("ThrottlingException", 400), _unmodelled("ThrottlingException", 400)),
        "ThrottlingException",
    ),
    errors.SandboxError: _SERVICE,
    errors.UnavailableError: _SERVICE,
}


def encode_error(
    error: PlatformError, operation: Operation | None, *, model: ServiceModel | None = None
) -> Response:
    """The response to an error.

    Args:
        error: What was raised.
        operation: What was asked for; None if that is not known.
        model: The service, where no operation tells it; else Lambda.
    """
    model = operation.model if operation else model or load_lambda_model()
    shape = _form(error).shape(model)
    if model.protocol == "json":
        return _encode_json(error, operation, shape)
    return _encode_rest_json(error, operation, shape, model)


def _encode_rest_json(
    error: PlatformError, operation: Operation | None, shape: ErrorShape, model: ServiceModel
) -> Response:
    # `Type` and `Reason` are members of Lambda's shapes only.
    is_lambda = model.service == "lambda"
    body = {"Type": shape.fault} if shape.fault and is_lambda else {}
    headers = [("Content-Type", JSON_CONTENT_TYPE), ("x-amzn-ErrorType", shape.name)]
    if isinstance(error, ThrottledError) and is_lambda:
        # Reason first, as recorded.
        body = {"Reason": error.reason, **body}
        if error.retry_after_s is not None:
            headers.append(("Retry-After", str(error.retry_after_s)))
    body[shape.message_key] = _message(error, operation)
    return Response(status=shape.status, headers=headers, body=json_bytes(body))


def _encode_json(error: PlatformError, operation: Operation | None, shape: ErrorShape) -> Response:
    body = {"__type": shape.name, shape.message_key: _message(error, operation)}
    headers = [("Content-Type", _JSON_1_1), ("x-amzn-ErrorType", shape.name)]
    return Response(status=shape.status, headers=headers, body=json_bytes(body))


def _form(error: PlatformError) -> ErrorForm:
    return next(FORMS[kind] for kind in type(error).__mro__ if kind in FORMS)


def _message(error: PlatformError, operation: Operation | None) -> str:
    if isinstance(error, UnimplementedOperationError) and operation is not None:
        return f"The operation {operation.name} is not implemented by lambd yet"
    return error.message
