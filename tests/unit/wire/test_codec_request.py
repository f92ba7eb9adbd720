"""Requests as clients other than botocore may send them, and as nobody should."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambd.http.messages import Request
from lambd.model.errors import MalformedRequestError, PlatformError
from lambd.wire.service_model import (
    Operation,
    load_model,
)

MODEL = load_model("lambda")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
FUNCTION = {"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_reads_an_invocation() -> None:
    """Label, headers, query and raw body; headers of no member are nobody's business."""
    headers = {
        "x-amz-invocation-type": "Event",
        "x-amz-log-type": "Tail",
        "x-amz-client-context": "e30=",
        "host": "localhost",
    }
    labels = {"FunctionName": quote(ARN, safe="")}
    params = _decode("Invoke", labels, query="Qualifier=%24LATEST", headers=headers, body=b"\x00{")
    assert params == {
        "FunctionName": ARN,
        "InvocationType": "Event",
        "LogType": "Tail",
        "ClientContext": "e30=",
        "Qualifier": "$LATEST",
        "Payload": b"\x00{",
    }


def test_reads_a_target_that_it_knows_like_a_new_one() -> None:
    """Parameters belong to their request, and the other members are read and checked each time."""
    labels = {"FunctionName": "again"}
    first = _decode("Invoke", labels, query="Qualifier=1", headers={"x-amz-log-type": "Tail"})
    first["FunctionName"] = "changed"
    assert _decode("Invoke", labels, query="Qualifier=1") == {
        "FunctionName": "again",
        "Qualifier": "1",
    }
    with pytest.raises(PlatformError, match=r"1 validation error detected.*logType"):
        _decode("Invoke", labels, query="Qualifier=1", headers={"x-amz-log-type": "Head"})
    with pytest.raises(PlatformError, match="qualifier"):
        _decode("Invoke", labels, query="Qualifier=%20")


def test_lists_of_a_target_are_the_requests_own() -> None:
    """Whoever changes the list of one request does not change another's."""
    labels = {"Resource": ARN}
    params = _decode("UntagResource", labels, query="tagKeys=a")
    params["TagKeys"].append("b")
    assert _decode("UntagResource", labels, query="tagKeys=a")["TagKeys"] == ["a"]


def test_takes_an_empty_body_for_no_payload() -> None:
    """HTTP cannot tell them apart."""
    assert _decode("Invoke", {"FunctionName": "f"}) == {"FunctionName": "f"}


def test_takes_an_empty_body_for_a_required_payload() -> None:
    """InvokeAsync must have one, so an empty one is one."""
    params = _decode("InvokeAsync", {"FunctionName": "f"})
    assert params == {"FunctionName": "f", "InvokeArgs": b""}


def test_ignores_nulls_and_unknown_members() -> None:
    """Null is absent at any depth, and newer clients may send more."""
    body = {
        **FUNCTION,
        "Description": None,
        "Unknown": 1,
        "VpcConfig": {"SubnetIds": None, "Unknown": {}, "Ipv6AllowedForDualStack": False},
    }
    expected = {**FUNCTION, "VpcConfig": {"Ipv6AllowedForDualStack": False}}
    assert _decode("CreateFunction", body=body) == expected


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_takes_an_absent_body_for_no_members(body: bytes) -> None:
    """All the members of PublishVersion's body are optional."""
    assert _decode("PublishVersion", {"FunctionName": "f"}, body=body) == {"FunctionName": "f"}


def test_reads_blobs_within_json() -> None:
    """They are base64 there."""
    zipped = bytes(range(256))
    body = {**FUNCTION, "Code": {"ZipFile": base64.b64encode(zipped).decode()}}
    assert _decode("CreateFunction", body=body)["Code"] == {"ZipFile": zipped}


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        pytest.param(1795435200, NOON, id="integer"),
        pytest.param(1795435200.5, NOON.replace(microsecond=500_000), id="fraction"),
        pytest.param("2026-11-23T12:00:00Z", NOON, id="text"),
        pytest.param(-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), id="before the epoch"),
    ],
)
def test_reads_timestamps_within_json(sent: float | str, moment: datetime) -> None:
    """Epoch seconds, and what clients of other kinds may write."""
    body = {"FunctionName": "f", "StartingPositionTimestamp": sent}
    params = _decode("CreateEventSourceMapping", body=body)
    assert params["StartingPositionTimestamp"] == moment
    assert params["StartingPositionTimestamp"].tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-11-23T12:00:00Z", id="UTC"),
        pytest.param("2026-11-23T12:00:00", id="no offset"),
        pytest.param("2026-11-23T14:00:00%2B02:00", id="offset"),
        pytest.param("2026-11-23T12%3A00%3A00.000000Z", id="encoded"),
    ],
)
def test_reads_timestamps_in_queries(text: str) -> None:
    """ISO 8601 there."""
    query = f"StartedAfter={text}"
    params = _decode("ListDurableExecutionsByFunction", {"FunctionName": "f"}, query=query)
    assert params["StartedAfter"] == NOON


def test_reads_lists_numbers_and_booleans_in_queries() -> None:
    """A repeated key is a list; of a key that is not, the first value counts."""
    query = "Statuses=RUNNING&Statuses=FAILED&MaxItems=7&MaxItems=8&ReverseOrder=true&Other=1&&="
    params = _decode("ListDurableExecutionsByFunction", {"FunctionName": "f"}, query=query)
    assert params == {
        "FunctionName": "f",
        "Statuses": ["RUNNING", "FAILED"],
        "MaxItems": 7,
        "ReverseOrder": True,
    }


def test_decodes_query_texts() -> None:
    """Percent signs, UTF-8 and the plus sign of forms."""
    query = "tagKeys=a%3Db&tagKeys=gr%C3%B6%C3%9Fe&tagKeys=a+b&tagKeys=%2B"
    params = _decode("UntagResource", {"Resource": quote(ARN, safe="")}, query=query)
    assert params["TagKeys"] == ["a=b", "größe", "a b", "+"]


def test_reads_an_integral_float_as_an_integer() -> None:
    """JavaScript clients may write 3.0."""
    assert _decode("CreateFunction", body={**FUNCTION, "Timeout": 3.0})["Timeout"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"Description": 1}, "NUMBER_VALUE can not be converted to a String", id="number"
        ),
        pytest.param(
            {"Description": True}, "TRUE_VALUE can not be converted to a String", id="boolean"
        ),
        pytest.param({"Description": []}, "Start of list found where not expected.", id="list"),
        pytest.param(
            {"Description": {}},
            "Start of structure or map found where not expected.",
            id="structure",
        ),
        pytest.param(
            {"Timeout": "3"}, "STRING_VALUE can not be converted to an Integer", id="text"
        ),
        pytest.param(
            {"Timeout": 3.5}, "NUMBER_VALUE can not be converted to an Integer", id="fraction"
        ),
        pytest.param(
            {"Timeout": 2**31}, "NUMBER_VALUE can not be converted to an Integer", id="32 bits"
        ),
        pytest.param(
            {"Timeout": True}, "TRUE_VALUE can not be converted to an Integer", id="true is not 1"
        ),
        pytest.param(
            {"Publish": "true"}, "STRING_VALUE can not be converted to a Boolean", id="word"
        ),
        pytest.param(
            {"VpcConfig": 5}, "NUMBER_VALUE can not be converted to a Structure", id="vpc"
        ),
        pytest.param({"Layers": "a"}, "STRING_VALUE can not be converted to a List", id="layers"),
        pytest.param({"Tags": []}, "Start of list found where not expected.", id="tags"),
        pytest.param({"Code": {"ZipFile": "%"}}, "A blob is not valid base64", id="base64"),
        pytest.param({"Code": {"ZipFile": "é"}}, "A blob is not valid base64", id="not ASCII"),
        pytest.param(
            {"Code": {"ZipFile": 1}}, "NUMBER_VALUE can not be converted to a Blob", id="no blob"
        ),
        pytest.param(
            {"Tags": {"a": "\ud800"}}, "A string holds an unpaired surrogate", id="surrogate"
        ),
    ],
)
def test_refuses_values_of_another_type(changes: dict[str, Any], message: str) -> None:
    """Before any constraint is looked at."""
    with pytest.raises(MalformedRequestError) as caught:
        _decode("CreateFunction", body={**FUNCTION, **changes})
    assert caught.value.message == message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"a"', id="string"),
        pytest.param(b"0", id="number"),
        pytest.param(b"{'a': 1}", id="quotes"),
        pytest.param(b'{"Timeout": NaN}', id="NaN"),
        pytest.param(b'{"Timeout": 1e999}', id="infinite"),
        pytest.param(b'{"Timeout": ' + b"9" * 5000 + b"}", id="thousands of digits"),
        pytest.param(b'{"a": ' + b"[" * 100_000, id="deep"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
    ],
)
def test_refuses_bodies_that_are_no_json_object(body: bytes) -> None:
    """A `SerializationException`, whatever is wrong."""
    with pytest.raises(MalformedRequestError):
        _decode("CreateFunction", body=body)


@pytest.mark.parametrize(
    ("name", "labels", "query"),
    [
        pytest.param("ListFunctions", {}, "MaxItems=ten", id="number"),
        pytest.param("ListFunctions", {}, "MaxItems=", id="nothing"),
        pytest.param("ListFunctions", {}, "MaxItems=1_0", id="underscore"),
        pytest.param("ListFunctions", {}, "MaxItems=%D9%A3", id="digit of another script"),
        pytest.param("ListFunctions", {}, "MaxItems=2147483648", id="33 bits"),
        pytest.param("ListFunctions", {}, "Marker=%FF", id="no UTF-8"),
        pytest.param("GetDurableExecution", {"DurableExecutionArn": "%FF"}, "", id="label"),
        pytest.param(
            "GetLayerVersion", {"LayerName": "l", "VersionNumber": "one"}, "", id="number label"
        ),
        pytest.param(
            "ListDurableExecutionsByFunction",
            {"FunctionName": "f"},
            "ReverseOrder=True",
            id="boolean",
        ),
        pytest.param(
            "ListDurableExecutionsByFunction",
            {"FunctionName": "f"},
            "StartedAfter=yesterday",
            id="timestamp",
        ),
        pytest.param(
            "ListDurableExecutionsByFunction",
            {"FunctionName": "f"},
            "StartedAfter=0001-01-01T00:00:00%2B05:00",
            id="timestamp before the first",
        ),
    ],
)
def test_refuses_texts_of_another_type(name: str, labels: dict[str, str], query: str) -> None:
    """In labels and queries as in bodies."""
    with pytest.raises(MalformedRequestError):
        _decode(name, labels, query=query)


@pytest.mark.parametrize("seconds", [1e300, -1e300, 10**30, 253_402_300_800])
def test_refuses_timestamps_out_of_range(seconds: float) -> None:
    """Python's calendar ends with the year 9999."""
    with pytest.raises(MalformedRequestError):
        _decode(
            "CreateEventSourceMapping",
            body={"FunctionName": "f", "StartingPositionTimestamp": seconds},
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=24)
SERVED = [
    *MODEL.operations.values(),
    *load_model("logs").operations.values(),
    *load_model("application-autoscaling").operations.values(),
]


@pytest.mark.slow
@settings(max_examples=settings().max_examples * 6, deadline=None, derandomize=True)
@given(st.data())
def test_raises_nothing_but_platform_errors(data: st.DataObject) -> None:
    """Whatever labels, queries, headers and bodies hold, known members among them."""
    operation = data.draw(st.sampled_from(SERVED))
    shape = operation.model.shapes[operation._input]
    members = shape["members"] or {"Nothing": {}}
    names = st.sampled_from([m.get("locationName", name) for name, m in members.items()])
    request = Request(
        method=operation.http_method,
        path="/",
        query="&".join(
            f"{key}={value}" for key, value in data.draw(st.lists(st.tuples(names, LATIN)))
        ),
        headers={
            key.lower(): value for key, value in data.draw(st.dictionaries(names, LATIN)).items()
        },
        body=data.draw(_bodies(names)),
    )
    labels = {part.strip("{}"): data.draw(LATIN) for part in _labels(operation)}

    try:
        params = operation.decode(request, labels)
    except PlatformError:
        return
    assert params.keys() <= members.keys()


def _bodies(names: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    structures = st.dictionaries(names, JSON, max_size=5).map(
        lambda body: json.dumps(body).encode()
    )
    return st.binary(max_size=20) | structures | JSON.map(lambda body: json.dumps(body).encode())


def _labels(operation: Operation) -> list[str]:
    path = operation.uri.partition("?")[0]
    return [part for part in path.split("/") if part.startswith("{")]


def _decode(
    name: str,
    labels: dict[str, str] | None = None,
    *,
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes | dict[str, Any] = b"",
) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(method="POST", path="/", query=query, headers=headers or {}, body=content)
    return MODEL.operations[name].decode(request, labels or {})
