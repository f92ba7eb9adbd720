"""botocore as the other end: what its serializer sends we read, what we send its parser reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
from botocore.awsrequest import AWSPreparedRequest, create_request_object, prepare_request_dict
from botocore.compat import HTTPHeaders
from botocore.loaders import Loader
from botocore.model import ServiceModel as BotocoreModel
from botocore.model import StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.wire.samples import structures

from lambd.http.messages import Request, Response
from lambd.wire.service_model import Operation, load_model

# What the platform serves of CloudWatch Logs, and what feeds it.
LOGS_OPERATIONS = (
    "CreateLogGroup",
    "CreateLogStream",
    "DeleteLogGroup",
    "DescribeLogGroups",
    "DescribeLogStreams",
    "FilterLogEvents",
    "GetLogEvents",
    "PutLogEvents",
)
# What it serves of EventBridge: scheduled rules.
EVENTS_OPERATIONS = (
    *("DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "ListRuleNamesByTarget"),
    *("ListRules", "ListTagsForResource", "ListTargetsByRule", "PutRule", "PutTargets"),
    *("RemoveTargets", "TagResource", "UntagResource"),
)
OPERATIONS = [
    *(pytest.param("lambda", name, id=name) for name in sorted(load_model("lambda").operations)),
    *(pytest.param("logs", name, id=f"logs-{name}") for name in LOGS_OPERATIONS),
    *(
        pytest.param("application-autoscaling", name, id=f"autoscaling-{name}")
        for name in sorted(load_model("application-autoscaling").operations)
    ),
    *(pytest.param("events", name, id=f"events-{name}") for name in EVENTS_OPERATIONS),
    *(
        pytest.param("scheduler", name, id=f"scheduler-{name}")
        for name in sorted(load_model("scheduler").operations)
    ),
]
# Its answers are compared event by event.
STREAMED = "InvokeWithResponseStream"
BOTOCORE = {
    service: BotocoreModel(Loader().load_service_model(service, "service-2"), service)
    for service in ("application-autoscaling", "events", "lambda", "logs", "scheduler")
}
_FEW_EXAMPLES = settings(
    max_examples=max(3, settings().max_examples // 8),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.slow
@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_decodes_what_botocore_serializes(service: str, name: str) -> None:
    """Every operation's parameters come through botocore's request unchanged."""
    shape = BOTOCORE[service].operation_model(name).input_shape
    assert shape is not None

    @_FEW_EXAMPLES
    @given(structures(service, shape.name, shape.members.keys()))
    def holds(params: dict[str, Any]) -> None:
        request = _botocore_request(service, name, params)
        found = _found(service, request)
        assert found is not None
        operation, labels = found
        assert operation.name == name
        assert operation.decode(request, labels) == _as_sent(service, shape, params)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize(("service", "name"), [case for case in OPERATIONS if case.id != STREAMED])
def test_encodes_what_botocore_parses(service: str, name: str) -> None:
    """Every operation's result comes through botocore's parser unchanged."""
    model = BOTOCORE[service].operation_model(name)
    shape = model.output_shape
    members = shape.members if shape else {}
    plain = [
        member
        for member, target in members.items()
        if target.serialization.get("location") != "statusCode"
    ]

    @_FEW_EXAMPLES
    @given(structures(service, shape.name, plain) if shape else st.just({}))
    def holds(result: dict[str, Any]) -> None:
        operation = load_model(service).operations[name]
        response = operation.encode(result)
        assert response.status == operation.status
        parsed = _parsed(service, name, response)
        statuses = {
            member: operation.status
            for member, target in members.items()
            if target.serialization.get("location") == "statusCode"
        }
        assert parsed == {**_absent_payload(shape), **_without_empty(members, result), **statuses}

    holds()


def test_streams_events_that_botocore_parses() -> None:
    """InvokeWithResponseStream's events arrive as they were, binary chunks included."""
    events = [
        {"PayloadChunk": {"Payload": b"\x00\xffabc"}},
        {"PayloadChunk": {"Payload": b""}},
        {"InvokeComplete": {"ErrorCode": "Function.Unknown", "LogResult": "bG9n"}},
    ]
    operation = load_model("lambda").operations[STREAMED]
    response = operation.encode({"EventStream": events, "ExecutedVersion": "$LATEST"})

    parsed = _parsed("lambda", STREAMED, response)

    assert dict(response.headers)["Content-Type"] == "application/vnd.amazon.eventstream"
    assert parsed["ExecutedVersion"] == "$LATEST"
    assert list(parsed["EventStream"]) == events


def _botocore_request(service: str, name: str, params: Mapping[str, Any]) -> Request:
    operation = BOTOCORE[service].operation_model(name)
    serializer = create_serializer(BOTOCORE[service].protocol, include_validation=False)
    sent = serializer.serialize_to_request(params, operation)
    prepare_request_dict(sent, endpoint_url="http://localhost:4566", context={})
    prepared: AWSPreparedRequest = create_request_object(sent).prepare()
    path, _, query = prepared.url.removeprefix("http://localhost:4566").partition("?")
    headers = {key.lower(): _text(value) for key, value in prepared.headers.items()}
    body = prepared.body or b""
    assert isinstance(body, bytes | bytearray)
    return Request(
        method=prepared.method,
        path=path,
        query=query,
        headers=headers,
        body=bytes(body),
    )


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _found(service: str, request: Request) -> tuple[Operation, Mapping[str, str]] | None:
    model = load_model(service)
    if model.protocol == "rest-json":
        return model.match(request.method, request.path, request.query)
    operation = model.by_target(request.headers["x-amz-target"])
    return (operation, {}) if operation else None


def _as_sent(service: str, shape: StructureShape, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters without those that HTTP cannot tell from absent ones."""

    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "structure" and not params.get(payload):
        return {name: value for name, value in params.items() if name != payload}
    return dict(params)


def _parsed(service: str, name: str, response: Response) -> dict[str, Any]:
    operation = BOTOCORE[service].operation_model(name)
    streams = operation.has_streaming_output or operation.has_event_stream_output
    headers = HTTPHeaders()
    for key, value in response.headers:
        headers[key] = value
    parsed = create_parser(BOTOCORE[service].protocol).parse(
        {
            "status_code": response.status,
            "headers": headers,
            "body": _Raw(response.body) if streams else response.body,
            "context": {"operation_name": name},
        },
        cast("StructureShape", operation.output_shape),
    )
    del parsed["ResponseMetadata"]
    return {
        name: value.read() if isinstance(value, _Raw) else value for name, value in parsed.items()
    }


class _Raw:
    """A raw HTTP body as botocore hands it on where an answer may be streamed."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self) -> bytes:
        """The whole body."""
        return self._body

    def stream(self) -> Iterator[bytes]:
        """The body in pieces that no message's border respects."""
        for start in range(0, len(self._body), 7):
            yield self._body[start : start + 7]

    def close(self) -> None:
        """Nothing is open."""


def _absent_payload(shape: StructureShape | None) -> dict[str, Any]:
    """A raw payload that is not sent reads as an empty one."""
    payload = shape.serialization.get("payload") if shape else None
    return {payload: b""} if payload else {}


def _without_empty(members: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in result.items()
        if not (value == "" and members[name].serialization.get("location") == "header")
    }
