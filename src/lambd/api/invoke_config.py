"""Handlers of the operations on event-invoke configs."""

from __future__ import annotations

from lambd.api.call import Call, LambdaApi, Members
from lambd.control import invoke_config
from lambd.control.invoke_config import EventInvokeChanges
from lambd.model.arns import FunctionReference, parse_function_reference
from lambd.model.function_controls import StoredEventInvokeConfig


async def put_function_event_invoke_config(api: LambdaApi, call: Call) -> Members:
    """PutFunctionEventInvokeConfig: in place of what is there."""
    changes = _changes(api, call.params)
    stored = await api.database.run(
        invoke_config.put_event_invoke_config, api.context(call.principal), changes
    )
    return _config(api, stored)


async def update_function_event_invoke_config(api: LambdaApi, call: Call) -> Members:
    """UpdateFunctionEventInvokeConfig: absent members stay as they are."""
    changes = _changes(api, call.params)
    stored = await api.database.run(
        invoke_config.update_event_invoke_config, api.context(call.principal), changes
    )
    return _config(api, stored)


async def get_function_event_invoke_config(api: LambdaApi, call: Call) -> Members:
    """GetFunctionEventInvokeConfig."""
    reference = _reference(api, call.params)
    return _config(
        api,
        await api.database.read(
            invoke_config.get_event_invoke_config, api.context(call.principal), reference
        ),
    )


async def list_function_event_invoke_configs(api: LambdaApi, call: Call) -> Members:
    """ListFunctionEventInvokeConfigs."""
    params = call.params
    page = await api.database.read(
        invoke_config.list_event_invoke_configs,
        api.context(call.principal),
        parse_function_reference(params["FunctionName"], api.scope).name,
        marker=params.get("Marker"),
        max_items=params.get("MaxItems"),
    )
    reply: Members = {"FunctionEventInvokeConfigs": [_config(api, item) for item in page.items]}
    if page.next_marker is not None:
        reply["NextMarker"] = page.next_marker
    return reply


async def delete_function_event_invoke_config(api: LambdaApi, call: Call) -> Members:
    """DeleteFunctionEventInvokeConfig."""
    reference = _reference(api, call.params)
    await api.database.run(
        invoke_config.delete_event_invoke_config, api.context(call.principal), reference
    )
    return {}


def _reference(api: LambdaApi, params: Members) -> FunctionReference:
    return parse_function_reference(params["FunctionName"], api.scope, params.get("Qualifier"))


def _changes(api: LambdaApi, params: Members) -> EventInvokeChanges:
    destinations = params.get("DestinationConfig")
    given = destinations or {}
    return EventInvokeChanges(
        function=_reference(api, params),
        maximum_retry_attempts=params.get("MaximumRetryAttempts"),
        maximum_event_age_s=params.get("MaximumEventAgeInSeconds"),
        has_destinations=destinations is not None,
        on_success=_destination(given, "OnSuccess"),
        on_failure=_destination(given, "OnFailure"),
    )


def _destination(destinations: Members, member: str) -> str | None:
    """The ARN; "" when the member is there without one, which clears it."""
    outcome = destinations.get(member)
    return None if outcome is None else outcome.get("Destination", "")


def _config(api: LambdaApi, stored: StoredEventInvokeConfig) -> Members:
    config = stored.config
    reply: Members = {
        "LastModified": stored.last_modified,
        "FunctionArn": api.scope.function_arn(stored.function_name, stored.qualifier),
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
    if config.maximum_retry_attempts is not None:
        reply["MaximumRetryAttempts"] = config.maximum_retry_attempts
    if config.maximum_event_age_s is not None:
        reply["MaximumEventAgeInSeconds"] = config.maximum_event_age_s
    return reply
