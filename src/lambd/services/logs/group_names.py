"""Log groups by name and by ARN, as requests and replies have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lambd.model.arns import Scope
from lambd.model.errors import InvalidParameterError

_GROUP_ARN = re.compile(
    r"arn:[\w-]+:logs:(?P<region>[\w-]+):(?P<account>\d{12}):log-group:(?P<name>[^:]+)(?::\*)?"
)


def group_of(scope: Scope, params: Mapping[str, Any]) -> str:
    """The group that a request names by `logGroupName` or `logGroupIdentifier`.

    Raises:
        InvalidParameterError: by both, by none, or badly.
    """
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameterError(
            "Exactly one of logGroupName and logGroupIdentifier must be given."
        )
    return str(name) if identifier is None else name_of(scope, identifier)


def name_of(scope: Scope, identifier: str) -> str:
    """The group's name out of a name or an ARN, with `:*` or without.

    Raises:
        InvalidParameterError: it is no ARN of a group of this account and region.
    """
    if not identifier.startswith("arn:"):
        return identifier
    match = _GROUP_ARN.fullmatch(identifier)
    if match is None:
        raise InvalidParameterError(f"Invalid log group identifier: {identifier}")
    if (match["region"], match["account"]) != (scope.region, scope.account_id):
        raise InvalidParameterError(f"The log group {identifier} is in another account or region.")
    return match["name"]


def group_arn(scope: Scope, name: str) -> str:
    """The ARN of a group, without `:*`."""
    return f"arn:{scope.partition}:logs:{scope.region}:{scope.account_id}:log-group:{name}"
