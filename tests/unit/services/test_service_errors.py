"""Every service that is answered tells of every class of errors, and botocore reads it."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from typing import Any, cast

import pytest
from botocore.compat import HTTPHeaders
from botocore.loaders import Loader
from botocore.model import ServiceModel as BotocoreModel
from botocore.parsers import create_parser

import lambd.services
from lambd.http.messages import Response
from lambd.model import errors
from lambd.model.errors import PlatformError, ThrottledError
from lambd.services.eventbridge.errors import error_table as events_errors
from lambd.services.logs.errors import error_table as logs_errors
from lambd.services.scheduler.errors import error_table as scheduler_errors
from lambd.wire.errors import ErrorTable, lambda_errors
from lambd.wire.service_model import load_model

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PlatformError)
]
# Faults of ours; all others are the caller's.
FAULTS = {
    PlatformError,
    errors.ArtifactError,
    errors.SandboxError,
    errors.UnavailableError,
    errors.UnimplementedOperationError,
}
# Folders whose service is no API of its own.
WITHOUT_API = {"dispatch"}
CONCURRENT = errors.CONCURRENT_INVOCATION_LIMIT_EXCEEDED


def _tables() -> dict[str, ErrorTable]:
    tables = {"lambda": lambda_errors()}
    for folder in pkgutil.iter_modules(lambd.services.__path__):
        if folder.ispkg and folder.name not in WITHOUT_API:
            slice_ = importlib.import_module(f"lambd.services.{folder.name}.errors")
            tables[folder.name] = slice_.error_table()
    return tables


TABLES = _tables()


@pytest.mark.parametrize("service", TABLES)
def test_a_service_has_its_own_names_for_the_commonest(service: str) -> None:
    """Whatever else it leaves to its parent class or to AWS's front end."""
    assert set(ErrorTable.REQUIRED) <= TABLES[service].shapes.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("service", TABLES)
def test_every_class_is_told_as_the_callers_or_as_our_fault(
    service: str, kind: type[PlatformError]
) -> None:
    """Never the other way round."""
    table = TABLES[service]
    status = table.shape(kind).status
    assert (status >= 500) is (kind in FAULTS)
    assert kind is PlatformError or table.shape(kind) != table.shape(PlatformError) or status >= 500


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("service", TABLES)
def test_botocore_reads_code_and_message(service: str, kind: type[PlatformError]) -> None:
    """For every class, in every service."""
    table = TABLES[service]
    operation = next(iter(table.model.operations.values()))
    error = ThrottledError(CONCURRENT, message="höhö") if kind is ThrottledError else kind("höhö")
    response = table.encode(error, operation)

    parsed = _parsed(table.model.service, operation.name, response)

    assert parsed["Error"]["Code"] == table.shape(kind).name
    unimplemented = f"The operation {operation.name} is not implemented by lambd yet"
    texts = {
        errors.UnimplementedOperationError: unimplemented,
        errors.SandboxError: "An error occurred and the request cannot be processed.",
    }
    assert parsed["Error"]["Message"] == texts.get(kind, "höhö")
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == response.status >= 400


def test_a_shape_that_the_model_has_not_is_a_mistake() -> None:
    """Found when the table is made."""
    with pytest.raises(KeyError):
        ErrorTable(load_model("logs"), {PlatformError: "TeapotException"})


def test_writes_errors_of_logs_in_json_1_1() -> None:
    """The shape stands in the body, under the service's own names."""
    response = logs_errors().encode(errors.InvalidParameterError("m"), None)
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
    response = scheduler_errors().encode(error, None)
    assert response.status == status
    assert dict(response.headers)["x-amzn-ErrorType"] == shape
    assert json.loads(response.body) == {"Message": "m"}


@pytest.mark.parametrize(
    ("table", "status", "key"),
    [
        pytest.param(logs_errors(), 400, "message", id="json"),
        pytest.param(events_errors(), 400, "message", id="json too"),
        pytest.param(scheduler_errors(), 404, "Message", id="rest"),
    ],
)
def test_what_aws_front_end_answers_is_one_name_in_each_protocol(
    table: ErrorTable, status: int, key: str
) -> None:
    """There is no operation then to tell anything."""
    response = table.encode(errors.UnknownOperationError("m"), None)
    assert response.status == status
    assert dict(response.headers)["x-amzn-ErrorType"] == "UnknownOperationException"
    assert json.loads(response.body)[key] == "m"


def _parsed(service: str, name: str, response: Response) -> dict[str, Any]:
    model = BotocoreModel(Loader().load_service_model(service, "service-2"), service)
    headers = HTTPHeaders()
    for key, value in response.headers:
        headers[key] = value
    answer = {"status_code": response.status, "headers": headers, "body": response.body}
    shape = model.operation_model(name).output_shape
    return dict(create_parser(model.protocol).parse(answer, cast("Any", shape)))
