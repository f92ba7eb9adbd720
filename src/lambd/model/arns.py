"""Function names, ARNs and qualifiers: every form that AWS accepts, parsed once.

Source: api.md section 4. A name may be bare, partial (`123456789012:function:name`,
`function:name`) or a full ARN, each with or without a qualifier. Shapes and lengths have been
checked by the wire constraints before a text gets here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambd.model.errors import AccessDeniedError, InvalidParameterError, NotFoundError

LATEST = "$LATEST"

_FUNCTION_NAME = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_VERSION = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The one account and region that a platform serves, and how its ARNs begin."""

    account_id: str
    region: str
    partition: str = "aws"

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


def parse_function_reference(
    text: str, scope: Scope, qualifier: str | None = None
) -> FunctionReference:
    """Parse any form of a function name, with the separate `Qualifier` parameter if one was sent.

    Raises:
        InvalidParameterError: the text is no function name, or its qualifier contradicts
            `qualifier`.
        NotFoundError: the ARN names another region.
        AccessDeniedError: the ARN names another account.
    """
    match = _FUNCTION_NAME.fullmatch(text)
    if match is None:
        raise InvalidParameterError(f"Invalid function name: {text}")
    region, account = match["region"], match["account"]
    if region is not None and region != scope.region:
        raise NotFoundError(
            f"Functions from '{region}' are not reachable in this region ('{scope.region}')"
        )
    if account is not None and account != scope.account_id:
        raise AccessDeniedError(
            f"User: arn:{scope.partition}:iam::{scope.account_id}:root is not authorized to access "
            f"resource: {text} because no resource-based policy allows the action"
        )
    name, own_qualifier = match["name"], match["qualifier"]
    if len(name) > 64:
        raise InvalidParameterError(
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy "
            "constraint: Member must have length less than or equal to 64"
        )
    if own_qualifier is not None and qualifier is not None and own_qualifier != qualifier:
        raise InvalidParameterError(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionReference(name=name, qualifier=own_qualifier or qualifier)
