"""Functions as targets of schedules and rules: which ARNs may be one, and what they mean."""

from __future__ import annotations

import json

from lambd.model.arns import FunctionReference, Scope, parse_function_reference
from lambd.model.errors import InvalidParameterError, PlatformError
from lambd.model.limits import SCHEDULE_INPUT_BYTES
from lambd.services.scheduler.model import (
    INVOKE_TARGET,
    InvokeInputError,
    ScheduleTarget,
    parse_invoke_input,
)


def check_function_arn(arn: str, scope: Scope) -> None:
    """Raise InvalidParameterError unless an ARN is one of a function, a version or an alias here."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        raise InvalidParameterError(
            f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        )
    if parts[2] != "lambda" or parts[5] != "function":
        raise InvalidParameterError(f"lambd invokes Lambda functions only: {arn} is none.")
    if parts[3] != scope.region:
        raise InvalidParameterError(
            f"The target ARN provided does not match the current region {scope.region}."
        )
    try:
        parse_function_reference(arn, scope)
    except PlatformError as error:
        raise InvalidParameterError(f"Parameter {arn} is not valid. {error.message}") from error


def check_schedule_target(target: ScheduleTarget, scope: Scope) -> None:
    """Raise InvalidParameterError unless a schedule may have this target."""
    if target.input is not None and len(target.input.encode()) > SCHEDULE_INPUT_BYTES:
        # AWS's own text is not known.
        raise InvalidParameterError(f"Input must be {SCHEDULE_INPUT_BYTES} bytes long at most.")
    if target.arn == INVOKE_TARGET:
        if target.input is None:
            raise InvalidParameterError(
                "You must provide an input to set this target for your schedule."
            )
    else:
        check_function_arn(target.arn, scope)
        if target.input is not None and not is_json(target.input):
            raise InvalidParameterError("JSON syntax error in input for the target.")
    schedule_function(target, scope)


def schedule_function(target: ScheduleTarget, scope: Scope) -> FunctionReference:
    """The function that a schedule's target means.

    Raises:
        InvalidParameterError: its input names none.
    """
    if target.arn != INVOKE_TARGET:
        return parse_function_reference(target.arn, scope)
    try:
        request = parse_invoke_input(target.input or "")
        return parse_function_reference(request.function_name, scope, request.qualifier)
    except InvokeInputError as error:
        raise InvalidParameterError(f"{error}.") from error
    except PlatformError as error:
        raise InvalidParameterError(error.message) from error


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
