"""From method, path and query to the operation."""

from __future__ import annotations

import pytest

from lambd.http.messages import Request
from lambd.wire.service_model import Operation, load_model

MODEL = load_model("lambda")


@pytest.mark.parametrize("operation", MODEL.operations.values(), ids=lambda op: op.name)
def test_every_template_leads_to_its_operation(operation: Operation) -> None:
    """With any label values, with a trailing slash and among other query parameters."""
    path, _, fixed = operation.uri.partition("?")
    expected = {part.strip("{}"): part.strip("{}") for part in path.split("/") if "{" in part}
    path = path.replace("{", "").replace("}", "")

    for variant in (path, path + "/"):
        for query in (fixed, f"{fixed}&Marker=a", f"Marker=a&{fixed}"):
            assert MODEL.match(operation.http_method, variant, query) == (operation, expected)


@pytest.mark.parametrize(
    ("request_line", "name"),
    [
        pytest.param("GET /2015-03-31/functions/?MaxItems=1", "ListFunctions", id="list"),
        pytest.param("POST /2015-03-31/functions/", "CreateFunction", id="create"),
        pytest.param("POST /2015-03-31/event-source-mappings/", "CreateEventSourceMapping", id="m"),
        pytest.param(
            "PUT /2015-03-31/event-source-mappings/u/", "UpdateEventSourceMapping", id="u"
        ),
        pytest.param("GET /2016-08-19/account-settings/", "GetAccountSettings", id="account"),
        pytest.param("POST /2020-04-22/code-signing-configs/", "CreateCodeSigningConfig", id="csc"),
        pytest.param("POST /2014-11-13/functions/f/invoke-async/", "InvokeAsync", id="async"),
    ],
)
def test_serves_the_uris_of_older_models(request_line: str, name: str) -> None:
    """Models before 2025 had trailing slashes."""
    assert _match(request_line) == name


@pytest.mark.parametrize(
    ("request_line", "name"),
    [
        pytest.param("GET /2018-10-31/layers", "ListLayers", id="list"),
        pytest.param(
            "GET /2018-10-31/layers?find=LayerVersion&Arn=a", "GetLayerVersionByArn", id="find"
        ),
        pytest.param(
            "GET /2019-09-30/functions/f/provisioned-concurrency?Qualifier=1",
            "GetProvisionedConcurrencyConfig",
            id="one",
        ),
        pytest.param(
            "GET /2019-09-30/functions/f/provisioned-concurrency?List=ALL",
            "ListProvisionedConcurrencyConfigs",
            id="all",
        ),
        pytest.param(
            "PUT /2019-09-25/functions/f/event-invoke-config",
            "PutFunctionEventInvokeConfig",
            id="put",
        ),
        pytest.param(
            "POST /2019-09-25/functions/f/event-invoke-config",
            "UpdateFunctionEventInvokeConfig",
            id="post",
        ),
        pytest.param(
            "GET /2019-09-25/functions/f/event-invoke-config/list",
            "ListFunctionEventInvokeConfigs",
            id="below",
        ),
    ],
)
def test_tells_operations_of_one_path_apart(request_line: str, name: str) -> None:
    """By method or by a fixed query."""
    assert _match(request_line) == name


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param("GET /", id="root"),
        pytest.param("GET ", id="nothing"),
        pytest.param("GET /2015-03-31", id="half"),
        pytest.param("GET /2015-03-31/functions/f/nothing", id="unknown"),
        pytest.param("GET /2015-03-31/functions/f/code/more", id="too long"),
        pytest.param("PATCH /2015-03-31/functions/f", id="method"),
        pytest.param("GET /2015-03-31/functions//configuration", id="empty label"),
        pytest.param("GET /2014-11-13/functions/f", id="other date"),
        pytest.param("get /2015-03-31/functions", id="method's case"),
    ],
)
def test_matches_nothing_else(request_line: str) -> None:
    """What the model does not name has no operation."""
    assert _match(request_line) is None


def test_keeps_an_encoded_slash_within_its_label() -> None:
    """A durable execution's ARN is one segment, decoded only after routing."""
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/name/id"
    encoded = arn.replace(":", "%3A").replace("/", "%2F")
    path = f"/2025-12-01/durable-executions/{encoded}/history"

    found = MODEL.match("GET", path, "")

    assert found is not None
    operation, labels = found
    assert labels == {"DurableExecutionArn": encoded}
    request = Request(method="GET", path=path, query="", headers={}, body=b"")
    assert operation.decode(request, labels) == {"DurableExecutionArn": arn}


def test_finds_operations_of_logs_by_target() -> None:
    """The json protocol has one URI; a header names the operation."""
    model = load_model("logs")
    found = model.by_target("Logs_20140328.DescribeLogGroups")
    assert found is model.operations["DescribeLogGroups"]
    assert found.model.protocol == "json"


@pytest.mark.parametrize(
    "target", ["", "DescribeLogGroups", "Logs_20140328.Nothing", "Other.DescribeLogGroups", "."]
)
def test_finds_no_operation_for_another_target(target: str) -> None:
    """The service's prefix is part of the name."""
    assert load_model("logs").by_target(target) is None


def _match(request_line: str) -> str | None:
    method, _, uri = request_line.partition(" ")
    path, _, query = uri.partition("?")
    found = MODEL.match(method, path, query)
    return found[0].name if found else None
