"""Policies: who may do what to which resource, and the decision. Pure.

Source: AWS's IAM reference (policy grammar, evaluation logic), security.md section 3. A document is
parsed once into statements; `evaluate` decides a request by the caller's identity policies and the
resource's own policy:

- a matching Deny anywhere wins, over the account's root too;
- within the account an Allow of either kind is enough; the account as a whole named in the
  resource's policy (`arn:aws:iam::<account>:root`, or its twelve digits) leaves it to the identity
  policies, except for root itself;
- across accounts both kinds must allow; services and anonymous callers have the resource's only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import cast

from lambd.model.conditions import Condition, Context, check_operator, glob_matches

VERSIONS = ("2012-10-17", "2008-10-17")
ANYONE = "*"

_ACCOUNT = re.compile(r"\d{12}")
_ACCOUNT_ROOT = re.compile(r"arn:aws[a-zA-Z-]*:iam::(\d{12}):root")
PRINCIPAL_ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:(iam::\d{12}:(root|(user|role)/.+)|"
    r"sts::\d{12}:(assumed-role|federated-user)/.+)"
)
SERVICE_PRINCIPAL = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazon(aws)?\.com(\.cn)?")
_ACTION = re.compile(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+")
_MEMBERS = frozenset(
    {
        *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
        *("Resource", "NotResource", "Condition"),
    }
)


class MalformedPolicyError(ValueError):
    """A document that is no policy; the message says where."""


class PrincipalKind(Enum):
    """What sort of caller a principal is."""

    ROOT = auto()
    USER = auto()
    ROLE = auto()
    SERVICE = auto()
    ANONYMOUS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: `name` is an ARN, a service's name such as `s3.amazonaws.com`, or `*`."""

    kind: PrincipalKind
    name: str
    # None for services and anonymous callers.
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; the `is_not_*` flags are for `NotPrincipal`, `NotAction`, `NotResource`."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    # (type, name), such as ("AWS", "123456789012"); None in identity policies.
    principals: tuple[tuple[str, str], ...] | None = None
    conditions: tuple[Condition, ...] = ()
    is_not_principal: bool = False
    is_not_action: bool = False
    is_not_resource: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The statements of a document, in order."""

    statements: tuple[Statement, ...]
    can_deny: bool = field(init=False)

    def __post_init__(self) -> None:
        can_deny = any(not statement.allows for statement in self.statements)
        object.__setattr__(self, "can_deny", can_deny)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A principal that wants to act on a resource of an account."""

    principal: Principal
    action: str
    resource: str
    account_id: str
    # Lower-case keys.
    context: Context = field(default_factory=dict)


class Decision(Enum):
    """What comes of an access request."""

    ALLOW = auto()
    EXPLICIT_DENY = auto()
    IMPLICIT_DENY = auto()


# Identity policy of an account's root.
FULL_ACCESS = Policy((Statement(allows=True, actions=("*",), resources=("*",)),))


def evaluate(
    request: AccessRequest, identity: Iterable[Policy], resource: Iterable[Policy]
) -> Decision:
    """Decide a request; see the module header."""
    own = [s for policy in identity for s in policy.statements if _applies(s, request)]
    theirs = [s for policy in resource for s in policy.statements if _applies(s, request)]
    matching = [s for s in theirs if _names(s, request.principal)]
    if any(not s.allows for s in (*own, *matching)):
        return Decision.EXPLICIT_DENY
    by_identity = any(s.allows for s in own)
    if request.principal.account_id is None:
        allowed = bool(matching)
    elif request.principal.account_id == request.account_id:
        allowed = by_identity or any(_names_directly(s, request.principal) for s in matching)
    else:
        allowed = by_identity and bool(matching)
    return Decision.ALLOW if allowed else Decision.IMPLICIT_DENY


def _applies(statement: Statement, request: AccessRequest) -> bool:
    action = request.action.lower()
    return (
        any(glob_matches(action, item.lower()) for item in statement.actions)
        != statement.is_not_action
        and any(glob_matches(request.resource, item) for item in statement.resources)
        != statement.is_not_resource
        and all(condition.holds(request.context) for condition in statement.conditions)
    )


def _names(statement: Statement, principal: Principal) -> bool:
    """Whether a statement of a resource's policy is about this principal."""
    named = any(_is(kind, name, principal) for kind, name in statement.principals or ())
    return named != statement.is_not_principal


def _is(kind: str, name: str, principal: Principal) -> bool:
    if name == ANYONE:
        return kind in {ANYONE, "AWS"} or principal.kind is PrincipalKind.SERVICE
    if kind == "Service":
        return principal.kind is PrincipalKind.SERVICE and name == principal.name
    return kind == "AWS" and (
        name == principal.name
        or (principal.account_id is not None and _account_of(name) == principal.account_id)
    )


def _account_of(name: str) -> str | None:
    """The account that an `AWS` principal stands for as a whole."""
    if _ACCOUNT.fullmatch(name):
        return name
    match = _ACCOUNT_ROOT.fullmatch(name)
    return None if match is None else match[1]


def _names_directly(statement: Statement, principal: Principal) -> bool:
    """Whether it names this very caller or anyone, and not only the caller's account."""
    return principal.kind is PrincipalKind.ROOT or any(
        name in {ANYONE, principal.name} for _, name in statement.principals or ()
    )


# --- documents -------------------------------------------------------------------------------


def parse_policy(text: str) -> Policy:
    """The statements of a resource policy's JSON text.

    Raises:
        MalformedPolicyError: it is none, or asks for what is not built.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicyError(f"The policy is not valid JSON: {error}") from None
    return parse_document(document)


def parse_document(document: object) -> Policy:
    """As `parse_policy`, of the decoded JSON."""
    if not isinstance(document, dict):
        raise MalformedPolicyError("The policy must be a JSON object.")
    unknown = document.keys() - {"Version", "Id", "Statement"}
    if unknown:
        raise MalformedPolicyError(f"Unknown policy element: {min(unknown)}")
    if document.get("Version") not in VERSIONS:
        raise MalformedPolicyError(f"Version must be {VERSIONS[0]}.")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicyError("The policy must have at least one statement.")
    sids = [item.get("Sid") for item in statements if isinstance(item, dict) and item.get("Sid")]
    if len(sids) != len({str(sid) for sid in sids}):
        raise MalformedPolicyError("Statement IDs (SID) in a single policy must be unique.")
    return Policy(tuple(_parse_statement(item) for item in statements))


def _parse_statement(item: object) -> Statement:
    if not isinstance(item, dict):
        raise MalformedPolicyError("A statement must be a JSON object.")
    unknown = item.keys() - _MEMBERS
    if unknown:
        raise MalformedPolicyError(f"Unknown statement element: {min(unknown)}")
    if "Sid" in item and not isinstance(item["Sid"], str):
        raise MalformedPolicyError("Sid must be a string.")
    if item.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyError("Effect must be Allow or Deny.")
    not_principal, principals = _alternative(item, "Principal")
    not_action, actions = _alternative(item, "Action")
    not_resource, resources = _alternative(item, "Resource")
    if not_principal and item["Effect"] == "Allow":
        raise MalformedPolicyError("NotPrincipal can only be used with Deny.")
    action_names = _texts(actions, "Action")
    for action in action_names:
        if _ACTION.fullmatch(action) is None:
            raise MalformedPolicyError(f"Invalid action: {action}")
    return Statement(
        allows=item["Effect"] == "Allow",
        actions=action_names,
        resources=_texts(resources, "Resource"),
        principals=_parse_principals(principals),
        conditions=_parse_conditions(item.get("Condition", {})),
        is_not_principal=not_principal,
        is_not_action=not_action,
        is_not_resource=not_resource,
    )


def _alternative(item: Mapping[str, object], member: str) -> tuple[bool, object]:
    """The value of a member or of its `Not` form, exactly one of which must be there."""
    if (member in item) == (f"Not{member}" in item):
        raise MalformedPolicyError(f"A statement must have either {member} or Not{member}.")
    is_not = member not in item
    return is_not, item[f"Not{member}" if is_not else member]


def _texts(value: object, member: str) -> tuple[str, ...]:
    """One text or several; policy variables are refused."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    texts = tuple(item for item in values if isinstance(item, str) and item)
    if not values or len(texts) != len(values):
        raise MalformedPolicyError(f"{member} must be a string or a list of strings.")
    if any("${" in item for item in texts):
        raise MalformedPolicyError(f"{member}: policy variables are not supported by lambd yet.")
    return texts


def _parse_principals(value: object) -> tuple[tuple[str, str], ...]:
    if value == ANYONE:
        return ((ANYONE, ANYONE),)
    if not isinstance(value, dict) or not value:
        raise MalformedPolicyError("Principal must be * or an object.")
    return tuple(
        (kind, _checked_principal(kind, name))
        for kind, names in value.items()
        for name in _texts(names, "Principal")
    )


def _checked_principal(kind: str, name: str) -> str:
    if kind == "AWS":
        valid = name == ANYONE or _ACCOUNT.fullmatch(name) or PRINCIPAL_ARN.fullmatch(name)
    elif kind == "Service":
        valid = name == ANYONE or SERVICE_PRINCIPAL.fullmatch(name)
    else:
        raise MalformedPolicyError(f"Principal type {kind} is not supported by lambd yet.")
    if not valid:
        raise MalformedPolicyError(f"Invalid principal in policy: {name}")
    return name


def _parse_conditions(block: object) -> tuple[Condition, ...]:
    if not isinstance(block, dict):
        raise MalformedPolicyError("Condition must be an object.")
    found: list[Condition] = []
    for operator, keys in block.items():
        if not isinstance(keys, dict) or not keys:
            raise MalformedPolicyError(f"Condition {operator} must be an object of keys.")
        for key, value in keys.items():
            values = _texts(_as_text(value), f"Condition {operator}")
            try:
                check_operator(operator, values)
            except ValueError as error:
                raise MalformedPolicyError(str(error)) from None
            found.append(Condition(operator, key.lower(), values))
    return tuple(found)


def _as_text(value: object) -> object:
    """JSON's booleans and numbers as the text that a policy may also have."""
    if isinstance(value, list):
        return [_as_text(item) for item in cast("list[object]", value)]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
