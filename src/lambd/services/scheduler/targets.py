"""Targets of schedules: which there may be, and which function they mean."""

from __future__ import annotations

from lambd.model.arns import FunctionReference, Scope, parse_function_reference
from lambd.model.errors import InvalidParameterError, PlatformError
from lambd.model.limits import SCHEDULE_INPUT_BYTES
from lambd.services.dispatch.function_targets import check_function_arn, is_json
from lambd.services.scheduler.model import (
    INVOKE_TARGET,
    InvokeInputError,
    ScheduleTarget,
    parse_invoke_input,
)


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
