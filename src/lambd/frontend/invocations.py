"""The operations that run functions: Invoke, and InvokeAsync of 2014."""

from __future__ import annotations

import base64
import binascii
import json

from lambd.frontend.lambda_api import Call, LambdaApi, Members
from lambd.model.arns import parse_function_reference
from lambd.model.errors import InvalidParameterError, InvalidRequestContentError
from lambd.model.invocations import InvocationRequest, InvocationType
from lambd.model.limits import CLIENT_CONTEXT_BYTES

_BAD_CLIENT_CONTEXT = "Client context must be a valid Base64-encoded JSON object."


async def invoke(api: LambdaApi, call: Call) -> Members:
    """Run a function; status 200 even when it failed, 202 for Event, 204 for DryRun."""
    params = call.params
    for member in ("DurableExecutionName", "TenantId"):
        if member in params:
            raise InvalidParameterError(f"{member} is not supported by lambd yet")
    kind = InvocationType(params.get("InvocationType", "RequestResponse"))
    function = parse_function_reference(params["FunctionName"], api.scope, params.get("Qualifier"))
    context = params.get("ClientContext")
    trace = call.request.headers.get("x-amzn-trace-id")
    result = await api.pipeline.invoke(
        InvocationRequest(
            request_id=call.request_id,
            function_name=function.name,
            qualifier=function.qualifier,
            invocation_type=kind,
            payload=params.get("Payload", b""),
            client_context=_client_context(context) if context else None,
            trace_header=trace,
            wants_log_tail=params.get("LogType") == "Tail",
        )
    )
    if result is None:
        return {"StatusCode": 202 if kind is InvocationType.EVENT else 204}
    if trace is not None:
        call.extra_headers = [("X-Amzn-Trace-Id", trace)]
    reply: Members = {
        "StatusCode": 200,
        "ExecutedVersion": result.executed_version,
        "Payload": result.payload,
    }
    if result.function_error is not None:
        reply["FunctionError"] = result.function_error
    if result.log_tail is not None:
        reply["LogResult"] = base64.b64encode(result.log_tail).decode()
    return reply


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
