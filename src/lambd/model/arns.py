"""Function names, ARNs and qualifiers: every form that AWS accepts, parsed once.

Source: api.md section 4. A name may be bare, partial (`123456789012:function:name`,
`function:name`) or a full ARN, each with or without a qualifier. The model has several patterns for
it; the wire constraints have checked a text against its operation's own before it gets here, and
this module reads them all. What an operation may do with a qualifier is told by which of the
`parse_` functions its handler calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from lambd.model.errors import AccessDeniedError, InvalidParameterError, NotFoundError
from lambd.model.regions import partition_of

LATEST = "$LATEST"

# Characters of a function's name (api.md section 4).
_NAME_CHARACTERS = 64
_FUNCTION_NAME = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*)?:lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-[0-9]):)?"
    r"(?:(?P<account>[0-9]{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_VERSION = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """An account in a region, and how ARNs of what is there begin."""

    account_id: str
    region: str
    partition: str = "aws"

    @classmethod
    def of(cls, account_id: str, region: str) -> Self:
        """The scope with the partition that the region is in."""
        return cls(account_id=account_id, region=region, partition=partition_of(region))

    def function_arn(self, name: str, qualifier: str | None = None) -> str:
        """`arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`."""
        arn = f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{name}"
        return arn if qualifier is None else f"{arn}:{qualifier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionReference:
    """A function as a caller named it; `qualifier` is None when none was given."""

    name: str
    qualifier: str | None = None


def is_version_number(qualifier: str) -> bool:
    """Tell whether a qualifier names a published version (aliases are never all digits)."""
    return _VERSION.fullmatch(qualifier) is not None


def is_alias_name(qualifier: str) -> bool:
    """Tell whether a qualifier names an alias: neither a version number nor `$...`."""
    return not qualifier.startswith("$") and not is_version_number(qualifier)


@lru_cache(maxsize=4096)
def parse_function_reference(
    text: str, scope: Scope, qualifier: str | None = None
) -> FunctionReference:
    """Parse any form of a function name, with the separate `Qualifier` parameter if one was sent.

    Raises:
        InvalidParameterError: the text is no function name, or its qualifier contradicts
            `qualifier`.
        NotFoundError: the ARN names another region.
        AccessDeniedError: the ARN names another account, or another partition.
    """
    match = _FUNCTION_NAME.fullmatch(text)
    if match is None:
        raise InvalidParameterError(f"Invalid function name: {text}")
    region, account = match["region"], match["account"]
    if region is not None and region != scope.region:
        raise NotFoundError(
            f"Functions from '{region}' are not reachable in this region ('{scope.region}')"
        )
    # A partition is a set of accounts: what is in another one is another account's.
    is_foreign = match["partition"] not in (None, scope.partition)
    if is_foreign or account not in (None, scope.account_id):
        raise AccessDeniedError(
            f"User: arn:{scope.partition}:iam::{scope.account_id}:root is not authorized to access "
            f"resource: {text} because no resource-based policy allows the action"
        )
    name, own_qualifier = match["name"], match["qualifier"]
    if own_qualifier is not None and qualifier is not None and own_qualifier != qualifier:
        raise InvalidParameterError(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionReference(name=name, qualifier=own_qualifier or qualifier or None)


def parse_unqualified(text: str, scope: Scope) -> str:
    """The name, for operations on functions only.

    The text was recorded for reserved concurrency; that it is every such operation's is not.

    Raises:
        InvalidParameterError: there is a qualifier; and the errors of `parse_function_reference`.
    """
    reference = parse_function_reference(text, scope)
    if reference.qualifier is not None:
        raise InvalidParameterError(
            "This operation is permitted on Lambda functions only. Aliases and versions do not "
            "support this operation. Please specify either a function name or an unqualified "
            "function ARN."
        )
    return reference.name


def parse_latest(text: str, scope: Scope) -> str:
    """The name, for operations that change `$LATEST` or copy it; it may be said.

    Raises:
        InvalidParameterError: the qualifier is another; and the errors of
            `parse_function_reference`.
    """
    reference = parse_function_reference(text, scope)
    if reference.qualifier not in (None, LATEST):
        raise InvalidParameterError(
            "Current operation does not support versions other than $LATEST"
        )
    return reference.name


def parse_new_name(text: str, scope: Scope) -> str:
    """The name that a function is to be created under.

    Elsewhere a name that is too long is just one that no function has [L].

    Raises:
        InvalidParameterError: it is too long; and the errors of `parse_latest`.
    """
    name = parse_latest(text, scope)
    if len(name) > _NAME_CHARACTERS:
        raise InvalidParameterError(
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy "
            f"constraint: Member must have length less than or equal to {_NAME_CHARACTERS}"
        )
    return name
