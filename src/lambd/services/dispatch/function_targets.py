"""Functions as targets of schedules and rules: which ARNs may be one, and what they mean."""

from __future__ import annotations

import json

from lambd.model.arns import Scope, parse_function_reference
from lambd.model.errors import InvalidParameterError, PlatformError


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


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
