"""Platform errors as responses, and as botocore's parsers see them."""

from __future__ import annotations

import json

import pytest

from lambd.model import errors
from lambd.model.errors import PlatformError, ThrottledError
from lambd.wire.errors import encode_error
from lambd.wire.service_model import (
    load_model,
)

INVOKE = load_model("lambda").operations["Invoke"]
CONCURRENT = errors.CONCURRENT_INVOCATION_LIMIT_EXCEEDED


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
            errors.SandboxError("crun: /var/lib/lambd: no space left"),
            500,
            "ServiceException",
            {
                "Type": "Service",
                "Message": "An error occurred and the request cannot be processed.",
            },
            id="nobody else's business",
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


def test_throttles_say_why() -> None:
    """Body and keys' order as recorded; no Retry-After, which SDKs would act on."""
    response = encode_error(ThrottledError(CONCURRENT), INVOKE)
    assert response.status == 429
    assert [name for name, _ in response.headers] == ["Content-Type", "x-amzn-ErrorType"]
    assert response.body == (
        b'{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'
    )


def test_names_the_operation_that_is_not_built_yet() -> None:
    """501, not a 4xx: the request is right, we are not ready."""
    operation = load_model("lambda").operations["CreateAlias"]
    response = encode_error(errors.UnimplementedOperationError(), operation)
    assert response.status == 501
    assert dict(response.headers)["x-amzn-ErrorType"] == "NotImplementedException"
    assert json.loads(response.body) == {
        "message": "The operation CreateAlias is not implemented by lambd yet"
    }


def test_a_subclass_is_sent_as_its_parent() -> None:
    """Classes of other folders need no row of their own."""

    class MissingAliasError(errors.NotFoundError):
        """There is no such alias."""

    response = encode_error(MissingAliasError(), INVOKE)
    assert dict(response.headers)["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert json.loads(response.body)["Message"] == "There is no such alias."
