"""The operations that run functions: Invoke, its streaming kind, and InvokeAsync of 2014."""

from __future__ import annotations

import base64
import binascii
import json
from functools import partial

from lambd.api.call import Call, LambdaApi, Members
from lambd.api.event_streams import EventStreamSink, return_trace
from lambd.model.arns import parse_function_reference
from lambd.model.errors import (
    InvalidRequestContentError,
    PlatformError,
)
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.limits import CLIENT_CONTEXT_BYTES

_TYPES = {kind.value: kind for kind in InvocationType}
_BAD_CLIENT_CONTEXT = "Client context must be a valid Base64-encoded JSON object."


def invoke(api: LambdaApi, call: Call) -> None:
    """Run a function; status 200 even when it failed, 202 for Event, 204 for DryRun."""
    api.pipeline.start(_request(api, call), partial(_invoked, call))


def invoke_with_response_stream(api: LambdaApi, call: Call) -> None:
    """Run a function and send what it answers as events, as it comes; 204 for DryRun."""
    api.pipeline.start_streaming(_request(api, call), EventStreamSink(call))


def _request(api: LambdaApi, call: Call) -> InvocationRequest:
    params = call.params
    function = parse_function_reference(params["FunctionName"], api.scope, params.get("Qualifier"))
    context = params.get("ClientContext")
    kind = params.get("InvocationType")
    return InvocationRequest(
        request_id=call.request_id,
        function_name=function.name,
        qualifier=function.qualifier,
        invocation_type=InvocationType.REQUEST_RESPONSE if kind is None else _TYPES[kind],
        payload=params.get("Payload", b""),
        client_context=_client_context(context) if context else None,
        trace_header=call.request.headers.get("x-amzn-trace-id"),
        wants_log_tail=params.get("LogType") == "Tail",
    )


def _invoked(call: Call, outcome: InvocationResult | PlatformError | None) -> None:
    """Make the reply of what an invocation came to."""
    if isinstance(outcome, PlatformError):
        call.reply(outcome)
        return
    if outcome is None:
        is_event = call.params["InvocationType"] == InvocationType.EVENT
        call.reply({"StatusCode": 202 if is_event else 204})
        return
    return_trace(call)
    members: Members = {
        "StatusCode": 200,
        "ExecutedVersion": outcome.executed_version,
        "Payload": outcome.payload,
    }
    if outcome.function_error is not None:
        members["FunctionError"] = outcome.function_error
    if outcome.log_tail is not None:
        members["LogResult"] = base64.b64encode(outcome.log_tail).decode()
    call.reply(members)


async def invoke_async(api: LambdaApi, call: Call) -> Members:
    """The asynchronous invocation of 2014: as Invoke with type Event."""
    function = parse_function_reference(call.params["FunctionName"], api.scope)
    await api.pipeline.invoke(
        InvocationRequest(
            request_id=call.request_id,
            function_name=function.name,
            qualifier=function.qualifier,
            invocation_type=InvocationType.EVENT,
            payload=call.params.get("InvokeArgs", b""),
            trace_header=call.request.headers.get("x-amzn-trace-id"),
        )
    )
    return {"Status": 202}


def _client_context(text: str) -> str:
    """The JSON inside X-Amz-Client-Context, on one line so that it fits a header."""
    if len(text) > CLIENT_CONTEXT_BYTES:
        raise InvalidRequestContentError(
            f"Client context must be less than or equal to {CLIENT_CONTEXT_BYTES} bytes."
        )
    try:
        document = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidRequestContentError(_BAD_CLIENT_CONTEXT) from None
    if not isinstance(document, dict):
        raise InvalidRequestContentError(_BAD_CLIENT_CONTEXT)
    return json.dumps(document)
