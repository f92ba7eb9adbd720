"""Platform errors as responses, and as botocore's parsers see them."""

from __future__ import annotations

import inspect
import json
from typing import Any, cast

import pytest
from botocore.compat import HTTPHeaders
from botocore.loaders import Loader
from botocore.model import ServiceModel as BotocoreModel
from botocore.parsers import create_parser

from lambd.http.messages import Response
from lambd.model import errors
from lambd.model.errors import PlatformError, ThrottledError
from lambd.wire.errors import FORMS, encode_error
from lambd.wire.service_model import (
    Operation,
    load_autoscaling_model,
    load_events_model,
    load_lambda_model,
    load_logs_model,
    load_scheduler_model,
)

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PlatformError)
]
INVOKE = load_lambda_model().operations["Invoke"]
DESCRIBE = load_logs_model().operations["DescribeLogStreams"]
REGISTER = load_autoscaling_model().operations["RegisterScalableTarget"]
PUT_RULE = load_events_model().operations["PutRule"]
CREATE_SCHEDULE = load_scheduler_model().operations["CreateSchedule"]
OPERATIONS = (INVOKE, DESCRIBE, REGISTER, PUT_RULE, CREATE_SCHEDULE)
CONCURRENT = errors.CONCURRENT_INVOCATION_LIMIT_EXCEEDED


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_class_has_a_row_whose_shapes_exist(kind: type[PlatformError]) -> None:
    """A shape that is named only by a string is one of its service's model."""
    for operation in OPERATIONS:
        assert FORMS[kind].shape(operation.model).name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.model.service)
def test_botocore_reads_code_and_message(operation: Operation, kind: type[PlatformError]) -> None:
    """For every class, in every service."""
    error = ThrottledError(CONCURRENT, message="höhö") if kind is ThrottledError else kind("höhö")
    response = encode_error(error, operation)

    parsed = _parsed(operation.model.service, operation.name, response)

    assert parsed["Error"]["Code"] == FORMS[kind].shape(operation.model).name
    unimplemented = f"The operation {operation.name} is not implemented by lambd yet"
    is_unimplemented = kind is errors.UnimplementedOperationError
    assert parsed["Error"]["Message"] == (unimplemented if is_unimplemented else "höhö")
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == response.status >= 400


@pytest.mark.parametrize(
    ("error", "status", "shape", "body"),
    [
        pytest.param(
            errors.NotFoundError("Function not found: f"),
            404,
            "ResourceNotFoundException",
            {"Type": "User", "Message": "Function not found: f"},
            id="upper-case message",
        ),
        pytest.param(
            errors.ConflictError("Function already exist: f"),
            409,
            "ResourceConflictException",
            {"Type": "User", "message": "Function already exist: f"},
            id="lower-case message",
        ),
        pytest.param(
            errors.UnavailableError("stopping"),
            500,
            "ServiceException",
            {"Type": "Service", "Message": "stopping"},
            id="our fault",
        ),
        pytest.param(
            errors.ArtifactError("no zip"),
            502,
            "InvalidZipFileException",
            {"Type": "Service", "Message": "no zip"},
            id="502",
        ),
        pytest.param(
            errors.PreconditionFailedError("r"),
            412,
            "PreconditionFailedException",
            {"Type": "User", "message": "r"},
            id="412",
        ),
        pytest.param(
            errors.ConstraintViolationError("1 validation error detected: v"),
            400,
            "ValidationException",
            {"message": "1 validation error detected: v"},
            id="no type",
        ),
        pytest.param(
            errors.AccessDeniedError("no"),
            403,
            "AccessDeniedException",
            {"Message": "no"},
            id="denied",
        ),
        pytest.param(
            errors.RequestEntityTooLargeError("l"),
            413,
            "RequestEntityTooLargeException",
            {"message": "l"},
            id="413",
        ),
        pytest.param(
            errors.MalformedRequestError("m"),
            400,
            "SerializationException",
            {"Message": "m"},
            id="malformed",
        ),
        pytest.param(
            errors.UnknownOperationError("u"),
            404,
            "UnknownOperationException",
            {"Message": "u"},
            id="unknown",
        ),
    ],
)
def test_writes_status_shape_and_body(
    error: PlatformError, status: int, shape: str, body: dict[str, str]
) -> None:
    """As recorded from AWS."""
    response = encode_error(error, None)
    assert response.status == status
    assert response.headers == [
        ("Content-Type", "application/json"),
        ("x-amzn-ErrorType", shape),
    ]
    assert json.loads(response.body) == body


@pytest.mark.parametrize(
    ("retry_after_s", "headers"),
    [
        pytest.param(None, [], id="unsaid"),
        pytest.param(3, [("Retry-After", "3")], id="said"),
        pytest.param(0, [("Retry-After", "0")], id="at once"),
    ],
)
def test_throttles_say_why_and_for_how_long(
    retry_after_s: int | None, headers: list[tuple[str, str]]
) -> None:
    """Body and keys' order as recorded."""
    response = encode_error(ThrottledError(CONCURRENT, retry_after_s=retry_after_s), INVOKE)
    assert response.status == 429
    assert response.headers[2:] == headers
    assert response.body == (
        b'{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'
    )


def test_names_the_operation_that_is_not_built_yet() -> None:
    """501, not a 4xx: the request is right, we are not ready."""
    operation = load_lambda_model().operations["CreateAlias"]
    response = encode_error(errors.UnimplementedOperationError(), operation)
    assert response.status == 501
    assert dict(response.headers)["x-amzn-ErrorType"] == "NotImplementedException"
    assert json.loads(response.body) == {
        "message": "The operation CreateAlias is not implemented by lambd yet"
    }


def test_writes_errors_of_logs_in_json_1_1() -> None:
    """The shape stands in the body, under the service's own names."""
    response = encode_error(errors.InvalidParameterError("m"), DESCRIBE)
    assert response.status == 400
    assert dict(response.headers)["Content-Type"] == "application/x-amz-json-1.1"
    assert json.loads(response.body) == {"__type": "InvalidParameterException", "message": "m"}


@pytest.mark.parametrize(
    ("error", "status", "shape"),
    [
        pytest.param(errors.NotFoundError("m"), 404, "ResourceNotFoundException", id="not found"),
        pytest.param(errors.ConflictError("m"), 409, "ConflictException", id="conflict"),
        pytest.param(errors.InvalidParameterError("m"), 400, "ValidationException", id="invalid"),
        pytest.param(
            errors.QuotaExceededError("m"), 402, "ServiceQuotaExceededException", id="quota"
        ),
        pytest.param(
            ThrottledError(CONCURRENT, message="m"), 429, "ThrottlingException", id="rate"
        ),
    ],
)
def test_writes_errors_of_the_scheduler(error: PlatformError, status: int, shape: str) -> None:
    """REST like Lambda's, without the members that only Lambda's have."""
    response = encode_error(error, CREATE_SCHEDULE)
    assert response.status == status
    assert dict(response.headers)["x-amzn-ErrorType"] == shape
    assert json.loads(response.body) == {"Message": "m"}


def test_an_unknown_target_is_answered_in_its_protocol() -> None:
    """There is no operation then to tell the protocol."""
    response = encode_error(errors.UnknownOperationError(), None, model=load_logs_model())
    assert json.loads(response.body)["__type"] == "UnknownOperationException"


def test_a_subclass_is_sent_as_its_parent() -> None:
    """Classes of other folders need no row of their own."""

    class MissingAliasError(errors.NotFoundError):
        """There is no such alias."""

    response = encode_error(MissingAliasError(), INVOKE)
    assert dict(response.headers)["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert json.loads(response.body)["Message"] == "There is no such alias."


def _parsed(service: str, name: str, response: Response) -> dict[str, Any]:
    model = BotocoreModel(Loader().load_service_model(service, "service-2"), service)
    headers = HTTPHeaders()
    for key, value in response.headers:
        headers[key] = value
    answer = {"status_code": response.status, "headers": headers, "body": response.body}
    shape = model.operation_model(name).output_shape
    return dict(create_parser(model.protocol).parse(answer, cast("Any", shape)))
