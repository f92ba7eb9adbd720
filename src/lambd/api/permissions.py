"""Handlers of the operations on functions' resource policies."""

from __future__ import annotations

from lambd.api.call import Call, LambdaApi, Members
from lambd.control import permissions
from lambd.control.permissions import AddPermissionRequest, PolicyDescription
from lambd.model.arns import FunctionReference, parse_function_reference


async def add_permission(api: LambdaApi, call: Call) -> Members:
    """AddPermission."""
    params = call.params
    request = AddPermissionRequest(
        function=_reference(api, params),
        statement_id=params["StatementId"],
        action=params["Action"],
        principal=params["Principal"],
        source_arn=params.get("SourceArn"),
        source_account=params.get("SourceAccount"),
        event_source_token=params.get("EventSourceToken"),
        principal_org_id=params.get("PrincipalOrgID"),
        function_url_auth_type=params.get("FunctionUrlAuthType"),
        invoked_via_function_url=params.get("InvokedViaFunctionUrl"),
        revision_id=params.get("RevisionId"),
    )
    statement = await api.database.run(
        permissions.add_permission, api.context(call.principal), request
    )
    return {"Statement": statement}


async def remove_permission(api: LambdaApi, call: Call) -> Members:
    """RemovePermission."""
    params = call.params
    await api.database.run(
        permissions.remove_permission,
        api.context(call.principal),
        _reference(api, params),
        params["StatementId"],
        params.get("RevisionId"),
    )
    return {}


async def get_policy(api: LambdaApi, call: Call) -> Members:
    """GetPolicy."""
    reference = _reference(api, call.params)
    return _policy(
        await api.database.read(permissions.get_policy, api.context(call.principal), reference)
    )


async def put_resource_policy(api: LambdaApi, call: Call) -> Members:
    """PutResourcePolicy: the whole document."""
    params = call.params
    return _policy(
        await api.database.run(
            permissions.put_resource_policy,
            api.context(call.principal),
            params["ResourceArn"],
            params["Policy"],
            params.get("RevisionId"),
        )
    )


async def get_resource_policy(api: LambdaApi, call: Call) -> Members:
    """GetResourcePolicy."""
    arn = call.params["ResourceArn"]
    return _policy(
        await api.database.read(permissions.get_resource_policy, api.context(call.principal), arn)
    )


async def delete_resource_policy(api: LambdaApi, call: Call) -> Members:
    """DeleteResourcePolicy."""
    params = call.params
    await api.database.run(
        permissions.delete_resource_policy,
        api.context(call.principal),
        params["ResourceArn"],
        params.get("RevisionId"),
    )
    return {}


def _reference(api: LambdaApi, params: Members) -> FunctionReference:
    return parse_function_reference(params["FunctionName"], api.scope, params.get("Qualifier"))


def _policy(found: PolicyDescription) -> Members:
    return {"Policy": found.document, "RevisionId": found.revision_id}
