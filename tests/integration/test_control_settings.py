"""Concurrency, recursion, runtime management, event-invoke configs and URLs on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.control_world import ARN, World

from lambd.control import concurrency as scaling
from lambd.control import function_urls, invoke_config
from lambd.control.aliases import CreateAliasRequest, create_alias, delete_alias
from lambd.control.function_urls import FunctionUrlChanges
from lambd.control.functions import delete_function, get_function
from lambd.control.invoke_config import EventInvokeChanges
from lambd.control.versions import PublishVersionRequest, publish_version
from lambd.model.arns import FunctionReference
from lambd.model.errors import (
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    PlatformError,
)
from lambd.model.function_controls import (
    Cors,
    EventInvokeConfig,
    FunctionControls,
    InvokeMode,
    RecursiveLoop,
    RuntimeManagement,
    UpdateRuntimeOn,
    UrlAuthType,
)
from lambd.model.limits import Limits
from lambd.store.database import ReservationsChanged
from lambd.store.function_controls import read_controls

F = FunctionReference(name="f")
LIVE = FunctionReference(name="f", qualifier="live")
MISSING = FunctionReference(name="missing")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Functions `f` (with version 1 and alias `live`) and `g`; 300 concurrent executions."""
    world = World(tmp_path, Limits(concurrent_executions=300))
    world.create("f")
    world.create("g")
    world.call(publish_version, PublishVersionRequest(name="f"))
    alias(world)
    yield world
    world.close()


def alias(world: World) -> None:
    """Create the alias `live` of version 1 of `f`."""
    request = CreateAliasRequest(function_name="f", name="live", version="1", weights={})
    world.call(create_alias, request)


def settings(world: World, name: str = "f") -> FunctionControls | None:
    """What invocations see."""
    with world.transaction() as connection:
        return read_controls(connection, name)


# --- concurrency ------------------------------------------------------------------------------


def test_reserved_concurrency(world: World) -> None:
    """Set, changed, shown, taken away; each time admission is told the total."""
    assert world.call(scaling.get_function_concurrency, "f") is None
    world.call(scaling.put_function_concurrency, "g", 50)
    world.call(scaling.put_function_concurrency, "f", 0)
    assert world.call(scaling.get_function_concurrency, "f") == 0
    assert world.call(get_function, F).reserved_concurrency == 0
    world.call(scaling.put_function_concurrency, "f", 150)
    assert ReservationsChanged(total=200) in world.notices
    assert world.call(scaling.get_account_usage).unreserved_concurrency == 100
    world.call(scaling.delete_function_concurrency, "f")
    assert ReservationsChanged(total=50) in world.notices
    assert world.call(get_function, F).reserved_concurrency is None
    found = settings(world)
    assert found is not None
    assert found.reserved_concurrency is None


def test_some_concurrency_stays_unreserved(world: World) -> None:
    """100 of the account's; what the function has already counts as free."""
    text = (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        r"UnreservedConcurrentExecution below its minimum value of \[100\]."
    )
    world.call(scaling.put_function_concurrency, "g", 100)
    with pytest.raises(InvalidParameterError, match=text):
        world.call(scaling.put_function_concurrency, "f", 101)
    world.call(scaling.put_function_concurrency, "f", 100)
    world.call(scaling.put_function_concurrency, "f", 100)
    with pytest.raises(InvalidParameterError, match=text):
        world.call(scaling.put_function_concurrency, "f", 101)


def test_a_deleted_function_frees_its_reservation(world: World) -> None:
    """Admission hears of it."""
    world.call(scaling.put_function_concurrency, "f", 200)
    world.call(delete_function, F)
    assert ReservationsChanged(total=0) in world.notices
    assert world.call(scaling.get_account_usage).unreserved_concurrency == 300
    assert settings(world) is None


def test_account_usage(world: World) -> None:
    """Real counts."""
    usage = world.call(scaling.get_account_usage)
    assert (usage.functions, usage.code_bytes) == (2, 30)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda w: w.call(scaling.get_function_concurrency, "x"), id="get"),
        pytest.param(lambda w: w.call(scaling.delete_function_concurrency, "x"), id="delete"),
        pytest.param(lambda w: w.call(scaling.get_recursion_config, "x"), id="recursion"),
        pytest.param(
            lambda w: w.call(scaling.put_recursion_config, "x", RecursiveLoop.ALLOW),
            id="put recursion",
        ),
        pytest.param(
            lambda w: w.call(scaling.get_runtime_management, FunctionReference(name="x")),
            id="runtime",
        ),
    ],
)
def test_a_missing_function(world: World, call: Any) -> None:
    """404 with its unqualified ARN."""
    with pytest.raises(NotFoundError, match=f"^Function not found: {ARN}x$"):
        call(world)


def test_reserving_for_a_missing_function(world: World) -> None:
    """The one operation of these whose ARN is qualified [L]."""
    with pytest.raises(NotFoundError) as caught:
        world.call(scaling.put_function_concurrency, "x", 1)
    assert caught.value.message == f"Function not found: {ARN}x:$LATEST"


# --- recursion and runtime management ---------------------------------------------------------


def test_recursion(world: World) -> None:
    """Loops are ended unless the function says otherwise."""
    assert world.call(scaling.get_recursion_config, "f") is RecursiveLoop.TERMINATE
    world.call(scaling.put_function_concurrency, "f", 5)
    world.call(scaling.put_recursion_config, "f", RecursiveLoop.ALLOW)
    assert world.call(scaling.get_recursion_config, "f") is RecursiveLoop.ALLOW
    found = settings(world)
    assert found == FunctionControls(reserved_concurrency=5, recursive_loop=RecursiveLoop.ALLOW)


def test_runtime_management(world: World) -> None:
    """Of `$LATEST` and of each version; Manual names what the machine has."""
    version = FunctionReference(name="f", qualifier="1")
    arn = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64
    manual = RuntimeManagement(update_on=UpdateRuntimeOn.MANUAL, runtime_version_arn=arn)
    world.call(scaling.put_runtime_management, version, manual, arn)
    assert world.call(scaling.get_runtime_management, version) == manual
    assert world.call(scaling.get_runtime_management, F) == RuntimeManagement()
    update = RuntimeManagement(update_on=UpdateRuntimeOn.FUNCTION_UPDATE)
    world.call(scaling.put_runtime_management, version, update, None)
    assert world.call(scaling.get_runtime_management, version) == update


@pytest.mark.parametrize(
    ("reference", "update_on", "arn", "message"),
    [
        pytest.param(F, UpdateRuntimeOn.MANUAL, None, "is required", id="no ARN"),
        pytest.param(F, UpdateRuntimeOn.AUTO, "a", "can only be provided", id="ARN"),
        pytest.param(F, UpdateRuntimeOn.MANUAL, "b", "provides a", id="another"),
        pytest.param(LIVE, UpdateRuntimeOn.AUTO, None, "not supported on aliases", id="alias"),
    ],
)
def test_runtime_management_that_is_refused(
    world: World,
    reference: FunctionReference,
    update_on: UpdateRuntimeOn,
    arn: str | None,
    message: str,
) -> None:
    """What could not be kept is not promised."""
    config = RuntimeManagement(update_on=update_on, runtime_version_arn=arn)
    with pytest.raises(InvalidParameterError, match=message):
        world.call(scaling.put_runtime_management, reference, config, "a")


# --- event-invoke configs ---------------------------------------------------------------------


def test_event_invoke_configs(world: World) -> None:
    """Put replaces, Update merges, each scope has its own."""
    world.call(
        invoke_config.put_event_invoke_config,
        EventInvokeChanges(
            function=F, maximum_retry_attempts=1, has_destinations=True, on_failure=ARN + "g"
        ),
    )
    world.call(
        invoke_config.put_event_invoke_config,
        EventInvokeChanges(function=LIVE, maximum_event_age_s=60),
    )
    changed = world.call(
        invoke_config.update_event_invoke_config,
        EventInvokeChanges(
            function=F, maximum_event_age_s=90, has_destinations=True, on_success=ARN + "g"
        ),
    )
    assert changed.config == EventInvokeConfig(
        maximum_retry_attempts=1,
        maximum_event_age_s=90,
        on_success=ARN + "g",
        on_failure=ARN + "g",
    )
    assert world.call(invoke_config.get_event_invoke_config, F) == changed
    found = settings(world)
    assert found is not None
    assert found.event_invoke == {
        "$LATEST": changed.config,
        "live": EventInvokeConfig(maximum_event_age_s=60),
    }
    cleared = world.call(
        invoke_config.update_event_invoke_config,
        EventInvokeChanges(function=F, has_destinations=True, on_failure=""),
    )
    assert (cleared.config.on_failure, cleared.config.on_success) == (None, ARN + "g")
    replaced = world.call(
        invoke_config.put_event_invoke_config,
        EventInvokeChanges(function=F, maximum_retry_attempts=0),
    )
    assert replaced.config == EventInvokeConfig(maximum_retry_attempts=0)
    world.call(invoke_config.delete_event_invoke_config, F)
    with pytest.raises(NotFoundError):
        world.call(invoke_config.get_event_invoke_config, F)


def test_event_invoke_configs_are_listed(world: World) -> None:
    """By qualifier, in pages; one that goes between two pages hides no other."""
    for qualifier in (None, "1", "live"):
        reference = FunctionReference(name="f", qualifier=qualifier)
        world.call(
            invoke_config.put_event_invoke_config,
            EventInvokeChanges(function=reference, maximum_retry_attempts=1),
        )
    page = world.call(invoke_config.list_event_invoke_configs, "f", max_items=1)
    assert [item.qualifier for item in page.items] == ["$LATEST"]
    world.call(invoke_config.delete_event_invoke_config, F)
    rest = world.call(invoke_config.list_event_invoke_configs, "f", marker=page.next_marker)
    assert [item.qualifier for item in rest.items] == ["1", "live"]
    assert rest.next_marker is None
    world.call(delete_alias, "f", "live")
    alias(world)
    assert len(world.call(invoke_config.list_event_invoke_configs, "f").items) == 1


@pytest.mark.parametrize(
    ("members", "kind", "message"),
    [
        pytest.param(
            {},
            InvalidParameterError,
            "You must specify at least one of error handling or destination setting.",
            id="nothing",
        ),
        pytest.param(
            {"function": MISSING, "maximum_retry_attempts": 1},
            NotFoundError,
            "The function doesn't exist.",
            id="no function",
        ),
        pytest.param(
            {
                "function": FunctionReference(name="f", qualifier="9"),
                "maximum_retry_attempts": 1,
            },
            NotFoundError,
            "The function doesn't exist.",
            id="no version",
        ),
        pytest.param(
            {"on_failure": ARN + "f"},
            InvalidParameterError,
            "You can't specify the function as a destination for itself.",
            id="itself",
        ),
        pytest.param(
            {"on_success": ARN + "nope"},
            InvalidParameterError,
            f"The destination ARN {ARN}nope is invalid.",
            id="no such destination",
        ),
        pytest.param(
            {"on_success": "arn:aws:iam::000000000000:role/r"},
            InvalidParameterError,
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination="
            "arn:aws:iam::000000000000:role/r), onFailure=null) is invalid.",
            id="no destination at all",
        ),
        pytest.param(
            {"on_failure": "kafka://topic/t"},
            InvalidParameterError,
            "DestinationConfig: kafka destinations are not supported by lambd yet",
            id="kafka",
        ),
        *(
            pytest.param(
                {"on_success": arn},
                InvalidParameterError,
                "The provided destination config DestinationConfig(onSuccess=OnSuccess("
                f"destination={arn}), onFailure=null) is invalid.",
                id=arn,
            )
            for arn in (
                "arn:aws:s3:::bucket",
                "arn:aws:sqs:us-east-1:000000000000:q.fifo",
                "arn:aws:sns:us-east-1:000000000000:t.fifo",
                "arn:aws:events:us-east-1:000000000000:rule/r",
            )
        ),
    ],
)
def test_event_invoke_configs_that_are_refused(
    world: World, members: dict[str, Any], kind: type[PlatformError], message: str
) -> None:
    """With AWS's texts; nothing is stored."""
    changes = EventInvokeChanges(
        **{"function": F, "has_destinations": "on_" in str(members), **members}
    )
    with pytest.raises(kind) as caught:
        world.call(invoke_config.put_event_invoke_config, changes)
    assert caught.value.message == message
    assert world.call(invoke_config.list_event_invoke_configs, "f").items == ()


def test_missing_event_invoke_configs(world: World) -> None:
    """The ARN is always qualified."""
    for reference, arn in ((F, "f:$LATEST"), (LIVE, "f:live"), (MISSING, "missing:$LATEST")):
        message = f"The function {ARN}{arn} doesn't have an EventInvokeConfig"
        for call in (
            invoke_config.get_event_invoke_config,
            invoke_config.delete_event_invoke_config,
        ):
            with pytest.raises(NotFoundError) as caught:
                world.call(call, reference)
            assert caught.value.message == message


def test_missing_event_invoke_configs_to_update(world: World) -> None:
    """The function is looked for first, as it is for a list."""
    for reference, message in (
        (F, f"The function {ARN}f:$LATEST doesn't have an EventInvokeConfig"),
        (LIVE, f"The function {ARN}f:live doesn't have an EventInvokeConfig"),
        (MISSING, "The function doesn't exist."),
    ):
        changes = EventInvokeChanges(function=reference, maximum_retry_attempts=1)
        with pytest.raises(NotFoundError) as caught:
            world.call(invoke_config.update_event_invoke_config, changes)
        assert caught.value.message == message
    with pytest.raises(NotFoundError, match=r"^The function doesn't exist\.$"):
        world.call(invoke_config.list_event_invoke_configs, "missing")


# --- function URLs ----------------------------------------------------------------------------


def test_function_urls(world: World) -> None:
    """One for the function, one for each alias; a new one has a new id."""
    cors = Cors(allow_origins=("*",), max_age_s=5)
    changes = FunctionUrlChanges(function=F, auth_type=UrlAuthType.NONE, cors=cors)
    url = world.call(function_urls.create_function_url, changes)
    assert len(url.id) == 32
    assert url.id.isalnum()
    assert url.id == url.id.lower()
    assert world.call(function_urls.get_function_url, F) == url
    world.call(
        function_urls.create_function_url,
        FunctionUrlChanges(function=LIVE, auth_type=UrlAuthType.NONE),
    )
    page = world.call(function_urls.list_function_urls, "f", max_items=1)
    rest = world.call(function_urls.list_function_urls, "f", marker=page.next_marker)
    assert [item.qualifier for item in (*page.items, *rest.items)] == ["$LATEST", "live"]
    changed = world.call(
        function_urls.update_function_url,
        FunctionUrlChanges(function=F, invoke_mode=InvokeMode.BUFFERED),
    )
    assert (changed.id, changed.cors, changed.created_at) == (url.id, cors, url.created_at)
    assert changed.last_modified > url.last_modified
    world.call(function_urls.delete_function_url, F)
    again = world.call(function_urls.create_function_url, changes)
    assert again.id != url.id


def test_function_urls_that_are_refused(world: World) -> None:
    """A second one; what is not there."""
    none = FunctionUrlChanges(function=F, auth_type=UrlAuthType.NONE)
    world.call(function_urls.create_function_url, none)
    with pytest.raises(ConflictError) as caught:
        world.call(function_urls.create_function_url, none)
    assert caught.value.message == (
        f"Failed to create function url config for [functionArn = {ARN}f]. Error message:  "
        "FunctionUrlConfig exists for this Lambda function"
    )
    for call, message in (
        (function_urls.get_function_url, "The resource you requested does not exist."),
        (function_urls.delete_function_url, "The resource you requested does not exist."),
    ):
        for reference in (LIVE, MISSING):
            with pytest.raises(NotFoundError) as missing:
                world.call(call, reference)
            assert missing.value.message == message
    with pytest.raises(NotFoundError, match=r"^Function does not exist$"):
        world.call(function_urls.list_function_urls, "missing")
    with pytest.raises(NotFoundError, match=r"^Function does not exist$"):
        world.call(function_urls.create_function_url, FunctionUrlChanges(function=MISSING))


@pytest.mark.parametrize(
    "members",
    [
        {"on_failure": "arn:aws:s3:::bucket"},
        {"on_success": "arn:aws:sqs:eu-west-1:000000000000:q"},
        {"on_success": "arn:aws:sns:us-east-1:000000000000:t"},
        {"on_failure": "arn:aws:events:us-east-1:000000000000:event-bus/default"},
    ],
    ids=["s3", "sqs", "sns", "events"],
)
def test_other_services_as_destinations(world: World, members: dict[str, str]) -> None:
    """By ARN; whether they are there shows at delivery."""
    changes = EventInvokeChanges(function=F, has_destinations=True, **members)  # type: ignore[arg-type]  # texts only
    stored = world.call(invoke_config.put_event_invoke_config, changes)
    found = {"on_success": stored.config.on_success, "on_failure": stored.config.on_failure}
    assert {name: arn for name, arn in found.items() if arn} == members
