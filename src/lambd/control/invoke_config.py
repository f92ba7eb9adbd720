"""Event-invoke configs: retries, age and destinations of asynchronous invocations.

Source: api.md sections 3.4 and 11. Destinations are functions of this platform, standard queues and
topics, event buses, and for failures buckets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lambd.control.context import ControlContext
from lambd.control.guards import missing, require_function, require_version
from lambd.control.versions import page_size
from lambd.model.arns import LATEST, FunctionReference, parse_function_reference
from lambd.model.errors import InvalidParameterError, NotFoundError
from lambd.model.function_controls import EventInvokeConfig, StoredEventInvokeConfig
from lambd.model.not_found import Missing
from lambd.store import event_invoke as rows
from lambd.store.aliases import find_version
from lambd.store.database import Connection
from lambd.store.paging import Page

_SERVICE = re.compile(r"arn:[^:]*:([^:]*):")
_NAME = r"[A-Za-z0-9_.-]+"
_PLACE = r"[a-z0-9-]+:\d{12}"
# Service -> the ARNs of it that can be told of an outcome.
_DESTINATIONS = {
    "sqs": re.compile(rf"arn:[a-z0-9-]+:sqs:{_PLACE}:{_NAME}(?<!\.fifo)"),
    "sns": re.compile(rf"arn:[a-z0-9-]+:sns:{_PLACE}:{_NAME}(?<!\.fifo)"),
    "events": re.compile(rf"arn:[a-z0-9-]+:events:{_PLACE}:event-bus/[A-Za-z0-9_./-]+"),
    "s3": re.compile(rf"arn:[a-z0-9-]+:s3:::{_NAME}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInvokeChanges:
    """The members of Put or Update that a caller sent; None is absent, "" clears a destination."""

    function: FunctionReference
    maximum_retry_attempts: int | None = None
    maximum_event_age_s: int | None = None
    has_destinations: bool = False
    on_success: str | None = None
    on_failure: str | None = None


def put_event_invoke_config(
    connection: Connection, context: ControlContext, changes: EventInvokeChanges
) -> StoredEventInvokeConfig:
    """Set the config of a scope, in place of the one that may be there.

    Raises:
        InvalidParameterError: nothing was sent, or a destination cannot be one.
        NotFoundError: there is no such function, version or alias.
    """
    _require_something(changes)
    name, scope = changes.function.name, changes.function.qualifier or LATEST
    require_version(connection, context, "PutFunctionEventInvokeConfig", changes.function)
    _check_destinations(connection, context, changes)
    config = EventInvokeConfig(
        maximum_retry_attempts=changes.maximum_retry_attempts,
        maximum_event_age_s=changes.maximum_event_age_s,
        on_success=changes.on_success or None,
        on_failure=changes.on_failure or None,
    )
    return _store(connection, context, name, scope, config)


def update_event_invoke_config(
    connection: Connection, context: ControlContext, changes: EventInvokeChanges
) -> StoredEventInvokeConfig:
    """Change the members that were sent.

    Raises:
        InvalidParameterError: nothing was sent, or a destination cannot be one.
        NotFoundError: there is no such function, version or alias, or it has no config.
    """
    _require_something(changes)
    operation = "UpdateFunctionEventInvokeConfig"
    require_version(connection, context, operation, changes.function)
    current = _get_config(connection, context, operation, changes.function).config
    _check_destinations(connection, context, changes)
    config = replace(
        current,
        **{
            member: value
            for member in ("maximum_retry_attempts", "maximum_event_age_s")
            if (value := getattr(changes, member)) is not None
        },
        **{
            member: value or None
            for member in ("on_success", "on_failure")
            if (value := getattr(changes, member)) is not None
        },
    )
    scope = changes.function.qualifier or LATEST
    return _store(connection, context, changes.function.name, scope, config)


def get_event_invoke_config(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> StoredEventInvokeConfig:
    """The config of a scope.

    Raises:
        NotFoundError: there is none, or no such scope.
    """
    return _get_config(connection, context, "GetFunctionEventInvokeConfig", reference)


def list_event_invoke_configs(
    connection: Connection,
    context: ControlContext,
    name: str,
    *,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[StoredEventInvokeConfig]:
    """A page of a function's configs, by qualifier.

    Raises:
        NotFoundError: there is no such function.
        InvalidParameterError: the marker is none of ours.
    """
    reference = FunctionReference(name=name)
    require_function(connection, context, "ListFunctionEventInvokeConfigs", reference)
    return rows.list_configs(connection, name, marker=marker, limit=page_size(context, max_items))


def delete_event_invoke_config(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> None:
    """Remove the config of a scope.

    Raises:
        NotFoundError: there is none, or no such scope.
    """
    if not rows.delete_config(connection, reference.name, reference.qualifier or LATEST):
        raise missing(
            context, "DeleteFunctionEventInvokeConfig", Missing.EVENT_INVOKE_CONFIG, reference
        )


def _require_something(changes: EventInvokeChanges) -> None:
    if (
        changes.maximum_retry_attempts is None
        and changes.maximum_event_age_s is None
        and not changes.has_destinations
    ):
        raise InvalidParameterError(
            "You must specify at least one of error handling or destination setting."
        )


def _get_config(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> StoredEventInvokeConfig:
    found = rows.get_config(connection, reference.name, reference.qualifier or LATEST)
    if found is None:
        raise missing(context, operation, Missing.EVENT_INVOKE_CONFIG, reference)
    return found


def _store(
    connection: Connection,
    context: ControlContext,
    name: str,
    scope: str,
    config: EventInvokeConfig,
) -> StoredEventInvokeConfig:
    stored = StoredEventInvokeConfig(
        function_name=name, qualifier=scope, config=config, last_modified=context.now
    )
    rows.put_config(connection, stored)
    return stored


def _check_destinations(
    connection: Connection, context: ControlContext, changes: EventInvokeChanges
) -> None:
    for arn in (changes.on_failure, changes.on_success):
        if not arn:
            continue
        service = arn.split(":", 1)[0] if arn.startswith("kafka:") else _service(arn)
        if service == "kafka":
            raise InvalidParameterError(
                "DestinationConfig: kafka destinations are not supported by lambd yet"
            )
        if service == "lambda":
            _check_function(connection, context, arn, changes.function.name)
        elif (
            service not in _DESTINATIONS
            or _DESTINATIONS[service].fullmatch(arn) is None
            or (service == "s3" and arn == changes.on_success)
        ):
            raise InvalidParameterError(
                "The provided destination config DestinationConfig("
                f"onSuccess={_printed('OnSuccess', changes.on_success)}, "
                f"onFailure={_printed('OnFailure', changes.on_failure)}) is invalid."
            )


def _check_function(
    connection: Connection, context: ControlContext, arn: str, own_name: str
) -> None:
    try:
        target = parse_function_reference(arn, context.scope)
    except (InvalidParameterError, NotFoundError):
        target = None
    if target is None or find_version(connection, target.name, target.qualifier) is None:
        raise InvalidParameterError(f"The destination ARN {arn} is invalid.")
    if target.name == own_name:
        raise InvalidParameterError("You can't specify the function as a destination for itself.")


def _service(arn: str) -> str | None:
    match = _SERVICE.match(arn)
    return None if match is None else match[1]


def _printed(kind: str, arn: str | None) -> str:
    return f"{kind}(destination={arn})" if arn else "null"
