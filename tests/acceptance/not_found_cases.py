"""Requests for what is not there: every row of the not-found table, by every form of a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.acceptance.conftest import zipped

from lambd.model.not_found import CONTENT, NOT_FOUND, Missing

PREFIX = "arn:aws:lambda:us-east-1:000000000000:"
# A function with version 1 and the alias `live`, a layer with version 1, and a name of nothing.
PRESENT, LAYER, ABSENT = "not-found-present", "not-found-layer", "not-found-absent"
FORMS = {
    "bare": "{}",
    "type": "function:{}",
    "partial": "000000000000:function:{}",
    "full": PREFIX + "function:{}",
}
# What an operation needs besides names.
_MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "AddLayerVersionPermission": {
        "StatementId": "s",
        "Action": "lambda:GetLayerVersion",
        "Principal": "*",
    },
    "AddPermission": {
        "StatementId": "s",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    },
    "CreateAlias": {"Name": "new", "FunctionVersion": "1"},
    "CreateFunctionUrlConfig": {"AuthType": "NONE"},
    "DeleteAlias": {"Name": "nowhere"},
    "GetAlias": {"Name": "live"},
    "InvokeAsync": {"InvokeArgs": b"{}"},
    "PutFunctionConcurrency": {"ReservedConcurrentExecutions": 1},
    "PutFunctionEventInvokeConfig": {"MaximumRetryAttempts": 0},
    "PutFunctionRecursionConfig": {"RecursiveLoop": "Allow"},
    "PutProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 1},
    "PutResourcePolicy": {"Policy": '{"Version": "2012-10-17", "Statement": []}'},
    "PutRuntimeManagementConfig": {"UpdateRuntimeOn": "Auto"},
    "RemoveLayerVersionPermission": {"StatementId": "s"},
    "RemovePermission": {"StatementId": "s"},
    "TagResource": {"Tags": {"k": "v"}},
    "UntagResource": {"TagKeys": ["k"]},
    "UpdateAlias": {"Name": "live", "FunctionVersion": "1"},
    "UpdateFunctionCode": {"ZipFile": zipped("def handler(event, context): return event")},
    "UpdateFunctionEventInvokeConfig": {"MaximumRetryAttempts": 0},
    "UpdateFunctionUrlConfig": {"AuthType": "NONE"},
}
# Named by `Qualifier` or by a qualified name: which qualifiers they look up.
_QUALIFIED: Mapping[str, tuple[str | None, ...]] = {
    **dict.fromkeys(
        (
            "AddPermission",
            "DeleteFunctionEventInvokeConfig",
            "GetFunction",
            "GetFunctionConfiguration",
            "GetFunctionEventInvokeConfig",
            "GetPolicy",
            "Invoke",
            "InvokeWithResponseStream",
            "PutFunctionEventInvokeConfig",
            "RemovePermission",
            "UpdateFunctionEventInvokeConfig",
        ),
        (None, "1", "live"),
    ),
    **dict.fromkeys(
        (
            "DeleteProvisionedConcurrencyConfig",
            "GetProvisionedConcurrencyConfig",
            "PutProvisionedConcurrencyConfig",
        ),
        ("1", "live"),
    ),
    **dict.fromkeys(
        (
            "CreateFunctionUrlConfig",
            "DeleteFunctionUrlConfig",
            "GetFunctionUrlConfig",
            "UpdateFunctionUrlConfig",
        ),
        (None, "live"),
    ),
    **dict.fromkeys(
        ("DeleteFunction", "GetRuntimeManagementConfig", "PutRuntimeManagementConfig"),
        (None, "1"),
    ),
    # By a qualified name only.
    "InvokeAsync": (None, "1", "live"),
}
_BY_ARN = {
    "DeleteResourcePolicy": ("ResourceArn", (None, "1", "live")),
    "GetResourcePolicy": ("ResourceArn", (None, "1", "live")),
    "PutResourcePolicy": ("ResourceArn", (None, "1", "live")),
    "ListTags": ("Resource", (None,)),
    "TagResource": ("Resource", (None,)),
    "UntagResource": ("Resource", (None,)),
}
_LAYERS = ("AddLayer", "GetLayer", "RemoveLayer", "DeleteLayer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Requests for one thing and the text they are answered with; None: with success."""

    id: str
    operation: str
    requests: Sequence[Mapping[str, Any]]
    text: str | None
    is_provisioned: bool = False


def cases() -> Iterator[Case]:
    """Every row of the table, and of what operations are content with."""
    for operation, rows in NOT_FOUND.items():
        for missing in rows:
            yield from _cases(operation, missing)
    for operation, content in CONTENT.items():
        for missing in content:
            yield from _cases(operation, missing)


def _cases(operation: str, missing: Missing) -> Iterator[Case]:
    if operation.startswith(_LAYERS):
        yield from _layer_cases(operation, missing)
    elif operation == "ListLayerVersions":
        yield Case(
            id=f"{operation}-layer",
            operation=operation,
            text=None,
            requests=[{"LayerName": ABSENT}],
        )
    elif missing is Missing.VERSION and operation in ("CreateAlias", "UpdateAlias"):
        members = {**_MEMBERS[operation], "FunctionVersion": "77"}
        yield from _named(operation, missing, PRESENT, None, members, told="77")
    elif missing is Missing.ALIAS and operation in ("GetAlias", "UpdateAlias", "DeleteAlias"):
        members = {**_MEMBERS[operation], "Name": "nowhere"}
        yield from _named(operation, missing, PRESENT, None, members, told="nowhere")
    else:
        yield from _function_cases(operation, missing)


def _function_cases(operation: str, missing: Missing) -> Iterator[Case]:
    """By each qualifier that the operation looks up."""
    members = _MEMBERS.get(operation, {})
    if missing is Missing.VERSION:
        yield from _named(operation, missing, PRESENT, "77", members)
        return
    if missing is Missing.ALIAS:
        yield from _named(operation, missing, PRESENT, "nowhere", members)
        return
    qualifiers = _QUALIFIED.get(operation) or _BY_ARN.get(operation, ("", (None,)))[1]
    has_own_function = missing is not Missing.FUNCTION
    # Where there is no row for the function, what is missing is missing of any function.
    names = [PRESENT] if has_own_function else [ABSENT]
    if (
        has_own_function
        and not any(
            each in NOT_FOUND.get(operation, {}) for each in (Missing.FUNCTION, Missing.VERSION)
        )
        and missing in NOT_FOUND.get(operation, {})
    ):
        names.append(ABSENT)
    for name in names:
        for qualifier in qualifiers:
            told = "1" if operation == "CreateAlias" else None
            yield from _named(operation, missing, name, qualifier, members, told=told)


def _named(
    operation: str,
    missing: Missing,
    name: str,
    qualifier: str | None,
    members: Mapping[str, Any],
    *,
    told: str | None = None,
) -> Iterator[Case]:
    """By each form of the name, with the qualifier beside it or in it.

    `told` is what the text's ARN ends in, where that is no qualifier of the name.
    """
    text = _text(operation, missing, name, told or qualifier)
    label = f"{operation}-{missing}-{name[10:]}-{qualifier or told or ''}".replace(" ", "-")
    if operation in _BY_ARN:
        arn = FORMS["full"].format(name) + (f":{qualifier}" if qualifier else "")
        named = [{_BY_ARN[operation][0]: arn}]
    else:
        named = [
            each
            for form in FORMS.values()
            for each in _spelled(operation, form.format(name), qualifier)
        ]
    yield Case(
        id=label,
        operation=operation,
        text=text,
        requests=[{**each, **members} for each in named],
        is_provisioned=missing is Missing.PROVISIONED_CONCURRENCY,
    )


def _spelled(operation: str, name: str, qualifier: str | None) -> list[dict[str, Any]]:
    """With the qualifier beside the name, in it, and both."""
    if qualifier is None:
        return [{"FunctionName": name}]
    inside = {"FunctionName": f"{name}:{qualifier}"}
    if operation == "InvokeAsync":
        return [inside]
    both = [{"FunctionName": name, "Qualifier": qualifier}, {**inside, "Qualifier": qualifier}]
    # There it has to be beside.
    return both if "ProvisionedConcurrencyConfig" in operation else [*both, inside]


def _layer_cases(operation: str, missing: Missing) -> Iterator[Case]:
    """A layer that is not there, and a version, by name and by ARN."""
    members = _MEMBERS.get(operation, {})
    pairs = [(ABSENT, 1), (LAYER, 77)] if missing is Missing.LAYER_VERSION else [(LAYER, 1)]
    for name, number in pairs:
        arn = f"{PREFIX}layer:{name}"
        text = _filled(operation, missing, resource=f"{arn}:{number}")
        if operation == "GetLayerVersionByArn":
            requests: list[dict[str, Any]] = [{"Arn": f"{arn}:{number}"}]
        else:
            requests = [
                {"LayerName": layer, "VersionNumber": number, **members} for layer in (name, arn)
            ]
        label = f"{operation}-{missing}-{name[10:]}".replace(" ", "-")
        yield Case(id=label, operation=operation, text=text, requests=requests)


def _text(operation: str, missing: Missing, name: str, qualifier: str | None) -> str | None:
    arn = f"{PREFIX}function:{name}"
    return _filled(
        operation,
        missing,
        function=arn,
        resource=arn if qualifier is None else f"{arn}:{qualifier}",
        scope=f"{arn}:{qualifier or '$LATEST'}",
    )


def _filled(operation: str, missing: Missing, **named: str) -> str | None:
    if missing in CONTENT.get(operation, ()):
        return None
    return NOT_FOUND[operation][missing].format(**{"statement_id": "s", **named})
