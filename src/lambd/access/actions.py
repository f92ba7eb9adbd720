"""Which action a request of a service is, and on which function, if one's policy has a say in it.

An action has its operation's name, but for those of `_ACTIONS`. Which of Lambda's operations a
function's resource policy governs: security.md section 3 (those that change policies are not among
them, so nobody can be locked out of a function).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambd.model.arns import FunctionReference, Scope, parse_function_reference

INVOKE_FUNCTION = "lambda:InvokeFunction"
INVOKE_FUNCTION_URL = "lambda:InvokeFunctionUrl"

# Operation -> action, where the names differ.
_ACTIONS: Mapping[str, str] = {
    "GetLayerVersionByArn": "lambda:GetLayerVersion",
    "Invoke": INVOKE_FUNCTION,
    "InvokeAsync": INVOKE_FUNCTION,
    "InvokeWithResponseStream": INVOKE_FUNCTION,
}
_GOVERNED = frozenset(
    {
        *("CreateAlias", "DeleteAlias", "DeleteFunction", "DeleteFunctionConcurrency"),
        *("DeleteFunctionEventInvokeConfig", "DeleteProvisionedConcurrencyConfig"),
        *("GetAlias", "GetFunction", "GetFunctionConcurrency", "GetFunctionConfiguration"),
        *("GetFunctionEventInvokeConfig", "GetPolicy", "GetProvisionedConcurrencyConfig"),
        *("Invoke", "InvokeAsync", "InvokeWithResponseStream"),
        *("ListAliases", "ListFunctionEventInvokeConfigs"),
        *("ListProvisionedConcurrencyConfigs", "ListTags", "ListVersionsByFunction"),
        *("PublishVersion", "PutFunctionConcurrency", "PutFunctionEventInvokeConfig"),
        *("PutProvisionedConcurrencyConfig", "TagResource", "UntagResource", "UpdateAlias"),
        *("UpdateFunctionCode", "UpdateFunctionEventInvokeConfig"),
    }
)


def _action(operation: str) -> str:
    return _ACTIONS.get(operation) or f"lambda:{operation}"


_GOVERNED_ACTIONS = {operation: _action(operation) for operation in _GOVERNED}


def service_action(service: str, operation: str) -> str:
    """`<service>:<action>`; the service's name is its model's (`logs`, `events`, ...)."""
    return f"{service}:{operation}"


def lambda_action(
    operation: str, params: Mapping[str, Any], scope: Scope
) -> tuple[str, FunctionReference | None]:
    """The action of a request to Lambda, and the function whose policy governs it.

    Raises:
        InvalidParameterError, NotFoundError: the function's name is not valid here.
    """
    action = _GOVERNED_ACTIONS.get(operation)
    if action is None:
        return _action(operation), None
    name = params.get("FunctionName") or params.get("Resource", "")
    if ":function:" not in name and name.startswith("arn:"):
        # Tags of what is no function.
        return action, None
    return action, parse_function_reference(name, scope, params.get("Qualifier"))
