"""Every paginator and waiter that boto3 has for an operation that is served, generated from boto3.

A new operation with a paginator makes the first test fail until its call stands in the table.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import botocore.loaders
import pytest
from botocore import xform_name
from botocore.exceptions import WaiterError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped

from lambd.api.operations import HANDLERS

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

NAME = "paged"
ECHO = "def handler(event, context):\n    return event\n"
# Paginator -> its arguments, how its items are told apart, and how many there are of NAME.
PAGINATORS: dict[str, tuple[dict[str, str], str, str, int]] = {
    "ListAliases": ({"FunctionName": NAME}, "Aliases", "AliasArn", 3),
    "ListFunctionEventInvokeConfigs": (
        {"FunctionName": NAME},
        "FunctionEventInvokeConfigs",
        "FunctionArn",
        3,
    ),
    "ListFunctionUrlConfigs": ({"FunctionName": NAME}, "FunctionUrlConfigs", "FunctionArn", 3),
    "ListFunctions": ({"FunctionVersion": "ALL"}, "Functions", "FunctionArn", 3),
    "ListLayerVersions": ({"LayerName": NAME}, "LayerVersions", "LayerVersionArn", 3),
    "ListLayers": ({}, "Layers", "LayerArn", 3),
    "ListProvisionedConcurrencyConfigs": (
        {"FunctionName": NAME},
        "ProvisionedConcurrencyConfigs",
        "FunctionArn",
        3,
    ),
    "ListVersionsByFunction": ({"FunctionName": NAME}, "Versions", "FunctionArn", 3),
}
WAITERS = (
    "function_active",
    "function_active_v2",
    "function_exists",
    "function_updated",
    "function_updated_v2",
    "published_version_active",
)


def definitions(kind: str) -> dict[str, Any]:
    """What boto3 knows of Lambda's paginators or waiters."""
    found: dict[str, Any] = botocore.loaders.create_loader().load_service_model("lambda", kind)
    return found


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[LambdaClient]:
    """A function with two versions, three aliases, configs of each and URLs; layers with versions."""
    aws = server.lambda_client()
    aws.create_function(
        FunctionName=NAME,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(ECHO)},
    )
    for number in range(2):
        wait_at_rest(aws, NAME)
        aws.publish_version(FunctionName=NAME)
        aws.update_function_configuration(FunctionName=NAME, Description=f"{number}")
    wait_at_rest(aws, NAME)
    for alias in ("a", "b", "c"):
        aws.create_alias(FunctionName=NAME, Name=alias, FunctionVersion="1")
        aws.put_function_event_invoke_config(
            FunctionName=NAME, Qualifier=alias, MaximumRetryAttempts=1
        )
        aws.put_provisioned_concurrency_config(
            FunctionName=NAME, Qualifier=alias, ProvisionedConcurrentExecutions=1
        )
        aws.create_function_url_config(FunctionName=NAME, Qualifier=alias, AuthType="NONE")
        aws.publish_layer_version(LayerName=NAME, Content={"ZipFile": zipped(ECHO)})
        aws.publish_layer_version(LayerName=f"{NAME}-{alias}", Content={"ZipFile": zipped(ECHO)})
    yield aws
    aws.delete_function(FunctionName=NAME)
    for alias in ("a", "b", "c"):
        aws.delete_layer_version(LayerName=f"{NAME}-{alias}", VersionNumber=1)
    for number in (1, 2, 3):
        aws.delete_layer_version(LayerName=NAME, VersionNumber=number)


def test_the_tables_name_everything_that_boto3_has() -> None:
    """Paginators of operations that are served, and all waiters."""
    assert set(PAGINATORS) == definitions("paginators-1")["pagination"].keys() & HANDLERS.keys()
    waiters = definitions("waiters-2")["waiters"]
    assert {xform_name(name) for name in waiters} == set(WAITERS)
    assert {waiter["operation"] for waiter in waiters.values()} <= HANDLERS.keys()


@pytest.mark.parametrize("operation", PAGINATORS)
def test_a_paginator_finds_everything_once(filled: LambdaClient, operation: str) -> None:
    """Small pages hold together what large ones hold, and each is as full as it may be."""
    arguments, member, key, least = PAGINATORS[operation]
    paginator: Any = filled.get_paginator(xform_name(operation))  # type: ignore[call-overload]  # by name
    expected = [item[key] for page in paginator.paginate(**arguments) for item in page[member]]
    assert len(expected) >= least
    pages = list(paginator.paginate(**arguments, PaginationConfig={"PageSize": 2}))
    assert [len(page[member]) for page in pages[:-1]] == [2] * (len(pages) - 1)
    found = [item[key] for page in pages for item in page[member]]
    assert found == expected
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", WAITERS)
def test_a_waiter_succeeds(filled: LambdaClient, name: str) -> None:
    """On a function that is there and at rest; at once, so that no poll is waited for."""
    waiter: Any = filled.get_waiter(name)  # type: ignore[call-overload]  # by name
    qualifier = {"Qualifier": "1"} if name == "published_version_active" else {}
    waiter.wait(FunctionName=NAME, **qualifier, WaiterConfig={"Delay": 30, "MaxAttempts": 1})


@pytest.mark.parametrize("name", ["function_active", "function_active_v2", "function_exists"])
def test_a_waiter_waits(filled: LambdaClient, name: str) -> None:
    """Through the time in which a function is not there, and while it is Pending."""
    function = f"late-{name}"
    waiter: Any = filled.get_waiter(name)  # type: ignore[call-overload]  # by name
    made = threading.Event()

    def create() -> None:
        filled.create_function(
            FunctionName=function,
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped(ECHO)},
        )
        made.set()

    config = {"Delay": 0.05, "MaxAttempts": 200}
    if name == "function_exists":
        timer = threading.Timer(0.2, create)
        timer.start()
        waiter.wait(FunctionName=function, WaiterConfig=config)
        timer.join()
    else:
        with pytest.raises(WaiterError, match="ResourceNotFoundException"):
            waiter.wait(FunctionName=function, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2})
        create()
        waiter.wait(FunctionName=function, WaiterConfig=config)
        found = filled.get_function_configuration(FunctionName=function)
        assert found["State"] == "Active"
    assert made.is_set()
    wait_at_rest(filled, function)
    filled.delete_function(FunctionName=function)


@pytest.mark.parametrize("name", ["function_updated", "function_updated_v2"])
def test_a_waiter_sees_an_update_end(filled: LambdaClient, name: str) -> None:
    """InProgress until it is Successful."""
    updated = filled.update_function_configuration(FunctionName=NAME, Description=name)
    assert updated["LastUpdateStatus"] == "InProgress"
    waiter: Any = filled.get_waiter(name)  # type: ignore[call-overload]  # by name
    waiter.wait(FunctionName=NAME, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    found = filled.get_function_configuration(FunctionName=NAME)
    assert found["LastUpdateStatus"] == "Successful"
