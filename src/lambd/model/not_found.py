"""THE table of not-found answers: operation, and what is missing -> what the caller reads.

AWS has a text of its own for many operations, and looks for things in an order of its own: where
an operation has no row for a missing function, it looks for the version or alias straight away and
names that. Every verb that may miss something says so through `not_found`; the tests send every
row through the API by every form of a name. Sources: docs/aws/api.md section 3.4; rows marked [K]
are from experience with AWS or from an operation of the same family, not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lambd.model.errors import (
    NotFoundError,
    PlatformError,
    ProvisionedConcurrencyNotFoundError,
)


class Missing(StrEnum):
    """What an operation can fail to find."""

    FUNCTION = "function"
    VERSION = "version"
    ALIAS = "alias"
    POLICY = "policy"
    STATEMENT = "statement"
    URL = "URL config"
    EVENT_INVOKE_CONFIG = "event-invoke config"
    PROVISIONED_CONCURRENCY = "provisioned concurrency config"
    LAYER_VERSION = "layer version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What texts may name.

    `function` is the function's ARN without a qualifier, `resource` the ARN as the caller qualified
    it, or a layer version's, `scope` the same but never without one: `$LATEST` where none was said.
    """

    function: str = ""
    resource: str = ""
    scope: str = ""
    statement_id: str = ""


_FUNCTION = "Function not found: {function}"
_RESOURCE = "Function not found: {resource}"
_SCOPE = "Function not found: {scope}"
_ALIAS = "Cannot find alias arn: {resource}"
_GENERIC = "The resource you requested does not exist."
_NO_POLICY = "No policy is associated with the given resource."
_NO_STATEMENT = "Statement {statement_id} is not found in resource policy."
_NO_LAYER_VERSION = "Layer version {resource} does not exist."
_NO_EVENT_INVOKE_CONFIG = "The function {scope} doesn't have an EventInvokeConfig"
_URL_FUNCTION = "Function does not exist"
_EVENT_INVOKE_FUNCTION = "The function doesn't exist."


def _scopes(text: str) -> Mapping[Missing, str]:
    """One text for a function, a version or an alias."""
    return dict.fromkeys((Missing.FUNCTION, Missing.VERSION, Missing.ALIAS), text)


_FUNCTION_ONLY = {Missing.FUNCTION: _FUNCTION}
# The version or the alias is looked for without a look at the function.
_BY_QUALIFIER = {Missing.VERSION: _RESOURCE, Missing.ALIAS: _ALIAS}
_POLICY_SCOPES = {Missing.FUNCTION: _FUNCTION, **_BY_QUALIFIER}

# Operation -> what is missing -> text.
NOT_FOUND: Mapping[str, Mapping[Missing, str]] = {
    # --- functions, versions ------------------------------------------------------------------
    "DeleteFunction": _FUNCTION_ONLY,
    "GetFunction": _scopes(_RESOURCE),
    "GetFunctionConfiguration": _scopes(_RESOURCE),
    "ListVersionsByFunction": _FUNCTION_ONLY,
    "PublishVersion": _FUNCTION_ONLY,
    "UpdateFunctionCode": _FUNCTION_ONLY,
    "UpdateFunctionConfiguration": _FUNCTION_ONLY,
    # Of a version; aliases are refused [K].
    "GetRuntimeManagementConfig": {Missing.FUNCTION: _RESOURCE, Missing.VERSION: _RESOURCE},
    "PutRuntimeManagementConfig": {Missing.FUNCTION: _RESOURCE, Missing.VERSION: _RESOURCE},
    # --- invocations --------------------------------------------------------------------------
    "Invoke": _scopes(_SCOPE),
    "InvokeAsync": _scopes(_SCOPE),
    "InvokeWithResponseStream": _scopes(_SCOPE),
    # --- aliases ------------------------------------------------------------------------------
    "CreateAlias": {Missing.FUNCTION: _RESOURCE, Missing.VERSION: _RESOURCE},
    "DeleteAlias": _FUNCTION_ONLY,
    "GetAlias": {Missing.FUNCTION: _FUNCTION, Missing.ALIAS: _ALIAS},
    "ListAliases": _FUNCTION_ONLY,
    "UpdateAlias": {
        Missing.FUNCTION: _FUNCTION,
        Missing.VERSION: _RESOURCE,
        Missing.ALIAS: "Alias not found: {resource}",
    },
    # --- resource policies --------------------------------------------------------------------
    "AddPermission": _POLICY_SCOPES,
    "RemovePermission": {
        **_POLICY_SCOPES,
        Missing.FUNCTION: "No policy found for: {function}",
        Missing.POLICY: _NO_POLICY,
        Missing.STATEMENT: _NO_STATEMENT,
    },
    "GetPolicy": {
        Missing.FUNCTION: _FUNCTION,
        Missing.VERSION: _GENERIC,
        Missing.ALIAS: _GENERIC,
        Missing.POLICY: _GENERIC,
    },
    # Not recorded yet: as the three above [K].
    "DeleteResourcePolicy": {**_POLICY_SCOPES, Missing.POLICY: _GENERIC},
    "GetResourcePolicy": {**_POLICY_SCOPES, Missing.POLICY: _GENERIC},
    "PutResourcePolicy": _POLICY_SCOPES,
    # --- concurrency, recursion ---------------------------------------------------------------
    "DeleteFunctionConcurrency": _FUNCTION_ONLY,
    "GetFunctionConcurrency": _FUNCTION_ONLY,
    "PutFunctionConcurrency": {Missing.FUNCTION: _SCOPE},
    "GetFunctionRecursionConfig": _FUNCTION_ONLY,
    "PutFunctionRecursionConfig": _FUNCTION_ONLY,
    "DeleteProvisionedConcurrencyConfig": _BY_QUALIFIER,
    "GetProvisionedConcurrencyConfig": {
        **_BY_QUALIFIER,
        Missing.PROVISIONED_CONCURRENCY: "No Provisioned Concurrency Config found for this function",
    },
    "ListProvisionedConcurrencyConfigs": _FUNCTION_ONLY,
    "PutProvisionedConcurrencyConfig": _BY_QUALIFIER,
    # --- event-invoke configs -----------------------------------------------------------------
    "DeleteFunctionEventInvokeConfig": {Missing.EVENT_INVOKE_CONFIG: _NO_EVENT_INVOKE_CONFIG},
    "GetFunctionEventInvokeConfig": {Missing.EVENT_INVOKE_CONFIG: _NO_EVENT_INVOKE_CONFIG},
    "ListFunctionEventInvokeConfigs": {Missing.FUNCTION: _EVENT_INVOKE_FUNCTION},
    "PutFunctionEventInvokeConfig": _scopes(_EVENT_INVOKE_FUNCTION),
    "UpdateFunctionEventInvokeConfig": {
        **_scopes(_EVENT_INVOKE_FUNCTION),
        Missing.EVENT_INVOKE_CONFIG: _NO_EVENT_INVOKE_CONFIG,
    },
    # --- function URLs ------------------------------------------------------------------------
    "CreateFunctionUrlConfig": {Missing.FUNCTION: _URL_FUNCTION, Missing.ALIAS: _URL_FUNCTION},
    "DeleteFunctionUrlConfig": {Missing.URL: _GENERIC},
    "GetFunctionUrlConfig": {Missing.URL: _GENERIC},
    "ListFunctionUrlConfigs": {Missing.FUNCTION: _URL_FUNCTION},
    "UpdateFunctionUrlConfig": {
        Missing.FUNCTION: _URL_FUNCTION,
        Missing.ALIAS: _URL_FUNCTION,
        Missing.URL: _GENERIC,
    },
    # --- layers -------------------------------------------------------------------------------
    "AddLayerVersionPermission": {Missing.LAYER_VERSION: _NO_LAYER_VERSION},
    "GetLayerVersion": {Missing.LAYER_VERSION: _GENERIC},
    "GetLayerVersionByArn": {Missing.LAYER_VERSION: _GENERIC},
    "GetLayerVersionPolicy": {
        Missing.LAYER_VERSION: _NO_LAYER_VERSION,
        Missing.POLICY: _NO_POLICY,
    },
    "RemoveLayerVersionPermission": {
        Missing.LAYER_VERSION: _NO_LAYER_VERSION,
        Missing.STATEMENT: _NO_STATEMENT,
    },
    # --- tags ---------------------------------------------------------------------------------
    "ListTags": _FUNCTION_ONLY,
    "TagResource": _FUNCTION_ONLY,
    "UntagResource": _FUNCTION_ONLY,
}

# Operations that find nothing wrong with what is missing: it is gone already, or a list is empty.
CONTENT: Mapping[str, frozenset[Missing]] = {
    "DeleteAlias": frozenset({Missing.ALIAS}),
    "DeleteFunction": frozenset({Missing.VERSION}),
    "DeleteLayerVersion": frozenset({Missing.LAYER_VERSION}),
    "DeleteProvisionedConcurrencyConfig": frozenset({Missing.PROVISIONED_CONCURRENCY}),
    "ListLayerVersions": frozenset({Missing.LAYER_VERSION}),
}


def not_found(operation: str, missing: Missing, named: Named) -> PlatformError:
    """The error that an operation answers with.

    Args:
        operation: AWS's name of it.
        missing: What is not there; the operation has a row for it.
        named: What the text may name.
    """
    text = NOT_FOUND[operation][missing].format(
        function=named.function,
        resource=named.resource,
        scope=named.scope,
        statement_id=named.statement_id,
    )
    if missing is Missing.PROVISIONED_CONCURRENCY:
        return ProvisionedConcurrencyNotFoundError(text)
    return NotFoundError(text)
