"""Responses down to their bytes; that botocore reads them is `test_round_trips`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lambd.http.messages import Response
from lambd.wire.service_model import load_model


def test_writes_an_invocations_result() -> None:
    """Raw payload, headers, and the status that the result says."""
    response = _encode(
        "Invoke",
        StatusCode=200,
        FunctionError="Unhandled",
        LogResult=None,
        ExecutedVersion="$LATEST",
        Payload=b'{"errorType": "E"}',
    )
    assert response == Response(
        status=200,
        headers=[
            ("X-Amz-Function-Error", "Unhandled"),
            ("X-Amz-Executed-Version", "$LATEST"),
            ("Content-Type", "application/json"),
        ],
        body=b'{"errorType": "E"}',
    )


def test_the_result_may_say_the_status() -> None:
    """202 of an asynchronous invocation, without a body."""
    response = _encode("Invoke", StatusCode=202, ExecutedVersion="$LATEST")
    assert (response.status, response.body) == (202, b"")


def test_a_204_has_no_body_and_no_content_type() -> None:
    """DeleteFunction's model says 200; AWS answers 204, so the handler says so."""
    assert _encode("DeleteFunction", StatusCode=204) == Response(status=204)
    assert _encode("DeleteAlias") == Response(status=204)


def test_writes_compact_json_in_utf_8() -> None:
    """Nothing is escaped that need not be."""
    response = _encode("ListTags", Tags={"a": "größe"})
    assert response.headers == [("Content-Type", "application/json")]
    assert response.body == '{"Tags":{"a":"größe"}}'.encode()


def test_an_empty_result_is_an_empty_object() -> None:
    """The shape has members, they are only not there."""
    assert _encode("ListFunctions").body == b"{}"


def test_leaves_out_what_is_none_at_any_depth() -> None:
    """In structures and in maps, in lists of them too."""
    response = _encode(
        "ListFunctions",
        NextMarker=None,
        Functions=[
            {"FunctionName": "f", "Handler": None, "VpcConfig": {"VpcId": None}},
            {"Environment": {"Variables": {"A": "1", "B": None}}},
        ],
    )
    assert json.loads(response.body) == {
        "Functions": [
            {"FunctionName": "f", "VpcConfig": {}},
            {"Environment": {"Variables": {"A": "1"}}},
        ]
    }


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        pytest.param(datetime(2026, 11, 23, 12, tzinfo=UTC), "1795435200", id="whole"),
        pytest.param(datetime(2026, 11, 23, 12, 0, 0, 123000, UTC), "1795435200.123", id="part"),
    ],
)
def test_writes_timestamps_as_epoch_seconds(moment: datetime, number: str) -> None:
    """With a fraction only if there is one."""
    response = _encode("GetEventSourceMapping", LastModified=moment)
    assert response.body == f'{{"LastModified":{number}}}'.encode()


def test_timestamps_that_are_strings_pass_through() -> None:
    """The other flavour: a function's dates."""
    text = "2026-11-23T10:15:30.123+0000"
    assert json.loads(_encode("GetFunctionConfiguration", LastModified=text).body) == {
        "LastModified": text
    }


def test_writes_half_a_surrogate_pair_as_its_escape() -> None:
    """What UTF-8 cannot hold, JSON can."""
    assert _encode("GetPolicy", Policy="\ud800").body == b'{"Policy":"\\ud800"}'


@pytest.mark.parametrize(
    ("name", "result"),
    [
        pytest.param("GetPolicy", {"Polity": ""}, id="top"),
        pytest.param("GetFunction", {"Configuration": {"functionName": "f"}}, id="nested"),
        pytest.param("DeleteAlias", {"Name": "a"}, id="no output"),
        pytest.param("GetEventSourceMapping", {"LastModified": datetime(2026, 1, 1)}, id="naive"),  # noqa: DTZ001
        pytest.param(
            "UpdateAlias",
            {"RoutingConfig": {"AdditionalVersionWeights": {"1": float("nan")}}},
            id="NaN",
        ),
    ],
)
def test_refuses_our_own_mistakes(name: str, result: dict[str, Any]) -> None:
    """A misspelt member must not vanish in silence."""
    with pytest.raises(ValueError, match=r"not in the|time zone|JSON"):
        load_model("lambda").operations[name].encode(result)


def test_answers_logs_in_its_own_content_type() -> None:
    """JSON 1.1."""
    operations = load_model("logs").operations
    response = operations["DescribeLogGroups"].encode({"logGroups": [{"storedBytes": 1}]})
    assert response.headers == [("Content-Type", "application/x-amz-json-1.1")]
    assert response.body == b'{"logGroups":[{"storedBytes":1}]}'
    assert operations["CreateLogGroup"].encode({}) == Response(status=200)


def test_writes_recursive_shapes() -> None:
    """CloudWatch Logs' field types hold themselves."""
    nested = {"type": "list", "element": {"type": "struct", "fields": []}}
    fields = [{"logFieldName": "a", "logFieldType": nested}]
    response = load_model("logs").operations["GetLogFields"].encode({"logFields": fields})
    assert json.loads(response.body) == {"logFields": fields}


def _encode(name: str, **result: object) -> Response:
    return load_model("lambda").operations[name].encode(result)
