"""Least requests of the operations on what hangs on functions, and how their members are seen."""

from __future__ import annotations

import json

from tests.acceptance.member_checks import (
    MISSING,
    VALIDATION,
    Check,
    Minimal,
    Operation,
    accepted,
    at_path,
    named_in_refusal,
    refused,
    seen,
    shown,
    with_member,
)
from tests.acceptance.member_world import ACCOUNT, ARN, FUNCTION, OTHER, Document, World

BUCKET = "arn:aws:s3:::bucket"


# --- policies -----------------------------------------------------------------------------------


def statement(world: World, request: Document, _reply: Document) -> Document:
    """The statement of the request's id in the policy of its scope."""
    scope = {key: request[key] for key in ("FunctionName", "Qualifier") if key in request}
    found = world.aws.get_policy(**scope)
    return world.statement(found["Policy"], request["StatementId"])


def condition(value: object, key: str, *, expected: object = None, **others: object) -> Check:
    """The member is a condition of the statement."""
    return shown(value, read=statement, at=f"Condition.{key}", expected=expected, **others)


def document(action: str) -> str:
    """A policy of FUNCTION with one statement."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": "*",
                "Action": action,
                "Resource": ARN + OTHER,
            },
        }
    )


def with_policy(world: World) -> Document:
    """OTHER, once it has a policy."""
    world.aws.put_resource_policy(ResourceArn=ARN + OTHER, Policy=document("lambda:GetFunction"))
    return {"ResourceArn": ARN + OTHER}


POLICIES: dict[str, Operation] = {
    "AddPermission": Operation(
        minimal=lambda world: {
            "FunctionName": FUNCTION,
            "StatementId": world.new_name(),
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
        },
        checks={
            "Action": shown("lambda:GetFunction", read=statement),
            "EventSourceToken": condition("token", "StringEquals.lambda:EventSourceToken"),
            "FunctionUrlAuthType": condition(
                "NONE",
                "StringEquals.lambda:FunctionUrlAuthType",
                Action="lambda:InvokeFunctionUrl",
            ),
            "InvokedViaFunctionUrl": condition(
                True, "Bool.lambda:InvokedViaFunctionUrl", expected="true"
            ),
            "Principal": shown(
                "123456789012",
                read=statement,
                at="Principal.AWS",
                expected="arn:aws:iam::123456789012:root",
            ),
            "PrincipalOrgID": condition(
                "o-0123456789", "StringEquals.aws:PrincipalOrgID", Principal="*"
            ),
            "Qualifier": seen(
                "one",
                lambda world, request, reply: (
                    statement(world, request, reply)["Resource"] == f"{ARN}{FUNCTION}:one"
                ),
            ),
            "SourceAccount": condition(ACCOUNT, "StringEquals.AWS:SourceAccount"),
            "SourceArn": condition(BUCKET, "ArnLike.AWS:SourceArn"),
            "StatementId": shown("named", read=statement, at="Sid"),
        },
    ),
    "DeleteResourcePolicy": Operation(minimal=with_policy),
    "GetPolicy": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "GetResourcePolicy": Operation(minimal=with_policy),
    "PutResourcePolicy": Operation(
        minimal=lambda _: {
            "ResourceArn": ARN + OTHER,
            "Policy": document("lambda:InvokeFunction"),
        },
        checks={
            "Policy": seen(
                document("lambda:ListTags"),
                lambda world, request, _reply: (
                    "lambda:ListTags"
                    in world.aws.get_resource_policy(ResourceArn=request["ResourceArn"])["Policy"]
                ),
            )
        },
    ),
    "RemovePermission": Operation(
        minimal=lambda world: {"FunctionName": FUNCTION, "StatementId": world.new_permission()}
    ),
}

# --- concurrency, recursion, runtime management -------------------------------------------------


def reservation(world: World, request: Document, _reply: Document) -> Document:
    """What GetFunctionConcurrency has."""
    found: Document = world.aws.get_function_concurrency(FunctionName=request["FunctionName"])
    return found


def recursion(world: World, request: Document, _reply: Document) -> Document:
    """What GetFunctionRecursionConfig has."""
    found: Document = world.aws.get_function_recursion_config(FunctionName=request["FunctionName"])
    return found


def runtime_management(world: World, request: Document, _reply: Document) -> Document:
    """What GetRuntimeManagementConfig has."""
    found: Document = world.aws.get_runtime_management_config(FunctionName=request["FunctionName"])
    return found


# Aliases have none.
NO_VERSION = refused("77", MISSING)


def provisioned(world: World, request: Document, _reply: Document) -> Document:
    """What GetProvisionedConcurrencyConfig has."""
    scope = {key: request[key] for key in ("FunctionName", "Qualifier")}
    found: Document = world.aws.get_provisioned_concurrency_config(**scope)
    return found


def with_provisioned(world: World) -> Document:
    """A version of OTHER, once it has provisioned concurrency."""
    scope = {"FunctionName": OTHER, "Qualifier": "1"}
    world.aws.put_provisioned_concurrency_config(**scope, ProvisionedConcurrentExecutions=1)
    return scope


SCALING: dict[str, Operation] = {
    "DeleteFunctionConcurrency": Operation(minimal=lambda _: {"FunctionName": OTHER}),
    "DeleteProvisionedConcurrencyConfig": Operation(minimal=with_provisioned),
    "GetAccountSettings": Operation(minimal=lambda _: {}),
    "GetFunctionConcurrency": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "GetFunctionRecursionConfig": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "GetProvisionedConcurrencyConfig": Operation(minimal=with_provisioned),
    "GetRuntimeManagementConfig": Operation(
        minimal=lambda _: {"FunctionName": FUNCTION}, checks={"Qualifier": NO_VERSION}
    ),
    "ListProvisionedConcurrencyConfigs": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "PutFunctionConcurrency": Operation(
        minimal=lambda _: {"FunctionName": OTHER, "ReservedConcurrentExecutions": 3},
        checks={"ReservedConcurrentExecutions": shown(7, read=reservation)},
    ),
    "PutFunctionRecursionConfig": Operation(
        minimal=lambda _: {"FunctionName": OTHER, "RecursiveLoop": "Terminate"},
        checks={"RecursiveLoop": shown("Allow", read=recursion)},
    ),
    "PutProvisionedConcurrencyConfig": Operation(
        minimal=lambda _: {
            "FunctionName": OTHER,
            "Qualifier": "1",
            "ProvisionedConcurrentExecutions": 1,
        },
        checks={
            "ProvisionedConcurrentExecutions": shown(
                2, read=provisioned, at="RequestedProvisionedConcurrentExecutions"
            )
        },
    ),
    "PutRuntimeManagementConfig": Operation(
        minimal=lambda _: {"FunctionName": OTHER, "UpdateRuntimeOn": "Auto"},
        checks={
            "Qualifier": NO_VERSION,
            "RuntimeVersionArn": named_in_refusal(
                f"arn:aws:lambda:us-east-1::runtime:{'0' * 64}", UpdateRuntimeOn="Manual"
            ),
            "UpdateRuntimeOn": shown("FunctionUpdate", read=runtime_management),
        },
    ),
}

# --- event-invoke configs and URLs --------------------------------------------------------------


def event_invoke(world: World, request: Document, _reply: Document) -> Document:
    """What GetFunctionEventInvokeConfig has."""
    scope = {key: request[key] for key in ("FunctionName", "Qualifier") if key in request}
    found: Document = world.aws.get_function_event_invoke_config(**scope)
    return found


def destinations(world: World, operation: str, minimal: Minimal, path: str) -> None:
    """Each outcome has its own."""
    for outcome in ("OnSuccess", "OnFailure"):
        value = {outcome: {"Destination": ARN + FUNCTION}}
        request = with_member(minimal(world), path, value)
        reply = accepted(world.call(operation, request))
        found = at_path(event_invoke(world, request, reply), f"{path}.{outcome}.Destination")
        assert found == ARN + FUNCTION


def with_config(world: World) -> Document:
    """OTHER, once it has an event-invoke config."""
    world.aws.put_function_event_invoke_config(FunctionName=OTHER, MaximumRetryAttempts=2)
    return {"FunctionName": OTHER, "MaximumRetryAttempts": 2}


EVENT_INVOKE: dict[str, Check] = {
    "DestinationConfig": destinations,
    "MaximumEventAgeInSeconds": shown(77, read=event_invoke),
    "MaximumRetryAttempts": shown(1, read=event_invoke),
}


def url(world: World, request: Document, _reply: Document) -> Document:
    """What GetFunctionUrlConfig has."""
    scope = {key: request[key] for key in ("FunctionName", "Qualifier") if key in request}
    found: Document = world.aws.get_function_url_config(**scope)
    return found


def without_url(world: World) -> Document:
    """OTHER, once it has no URL."""
    world.call("DeleteFunctionUrlConfig", {"FunctionName": OTHER})
    return {"FunctionName": OTHER, "AuthType": "NONE"}


def with_url(world: World) -> Document:
    """OTHER, once it has a URL."""
    world.call("CreateFunctionUrlConfig", {"FunctionName": OTHER, "AuthType": "NONE"})
    return {"FunctionName": OTHER}


URL: dict[str, Check] = {
    "AuthType": refused("OTHER", VALIDATION, "'authType'"),
    "Cors.AllowCredentials": shown(True, read=url),
    "Cors.AllowHeaders": shown(["x-a"], read=url),
    "Cors.AllowMethods": shown(["GET"], read=url),
    "Cors.AllowOrigins": shown(["https://example.com"], read=url),
    "Cors.ExposeHeaders": shown(["x-b"], read=url),
    "Cors.MaxAge": shown(77, read=url),
    "InvokeMode": shown("BUFFERED", read=url),
}

EVENTS_AND_URLS: dict[str, Operation] = {
    "CreateFunctionUrlConfig": Operation(minimal=without_url, checks=URL),
    "DeleteFunctionEventInvokeConfig": Operation(
        minimal=lambda world: {"FunctionName": with_config(world)["FunctionName"]}
    ),
    "DeleteFunctionUrlConfig": Operation(minimal=with_url),
    "GetFunctionEventInvokeConfig": Operation(
        minimal=lambda world: {"FunctionName": with_config(world)["FunctionName"]}
    ),
    "GetFunctionUrlConfig": Operation(minimal=with_url),
    "ListFunctionEventInvokeConfigs": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "ListFunctionUrlConfigs": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "PutFunctionEventInvokeConfig": Operation(minimal=with_config, checks=EVENT_INVOKE),
    "UpdateFunctionEventInvokeConfig": Operation(minimal=with_config, checks=EVENT_INVOKE),
    "UpdateFunctionUrlConfig": Operation(minimal=with_url, checks=URL),
}

SETTINGS: dict[str, Operation] = {**POLICIES, **SCALING, **EVENTS_AND_URLS}
