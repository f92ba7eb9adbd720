"""Layers: their names and ARNs in every form AWS accepts, published versions, and who may use one.

Source: api.md sections 4, 9 and 12. A layer has no mutable state of its own: only numbered,
immutable versions, each with a policy. What a function holds of one is `functions.FunctionLayer`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime

from lambd.model.arns import Scope
from lambd.model.functions import Code

GET_LAYER_VERSION = "lambda:GetLayerVersion"

_ARN = re.compile(
    r"arn:(?P<partition>[a-zA-Z0-9-]+):lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"layer:(?P<name>[a-zA-Z0-9-_]+)(?::(?P<number>[0-9]+))?"
)
_ACCOUNT = re.compile(r"\d{12}")
# Numbers above are nobody's: every database's integer takes nine digits.
_NUMBER_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerArn:
    """A layer's ARN taken apart; `number` is None in that of a layer without a version."""

    partition: str
    region: str
    account_id: str
    name: str
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerVersion:
    """One published version of a layer, as stored."""

    name: str
    number: int
    code: Code
    created_at: datetime
    description: str = ""
    # None: not declared, and absent from replies.
    compatible_runtimes: tuple[str, ...] | None = None
    compatible_architectures: tuple[str, ...] | None = None
    license_info: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPermission:
    """One statement of a layer version's policy; the action is always `lambda:GetLayerVersion`."""

    statement_id: str
    # An account id, the ARN of an account's root, or `*`.
    principal: str
    organization_id: str | None = None

    def statement(self, resource: str, partition: str) -> dict[str, object]:
        """The IAM statement that AWS makes of it, for a layer version's ARN."""
        principal: object = self.principal
        if _ACCOUNT.fullmatch(self.principal):
            principal = {"AWS": f"arn:{partition}:iam::{self.principal}:root"}
        elif self.principal != "*":
            principal = {"AWS": self.principal}
        document: dict[str, object] = {
            "Sid": self.statement_id,
            "Effect": "Allow",
            "Principal": principal,
            "Action": GET_LAYER_VERSION,
            "Resource": resource,
        }
        if self.organization_id is not None:
            document["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": self.organization_id}}
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPolicy:
    """The permissions of one layer version, at least one, under a revision."""

    permissions: tuple[LayerPermission, ...]
    revision_id: str

    def document(self, resource: str, partition: str) -> str:
        """The policy as JSON text."""
        statements = [each.statement(resource, partition) for each in self.permissions]
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
        return json.dumps(policy, separators=(",", ":"))


def layer_arn(scope: Scope, name: str, number: int | None = None) -> str:
    """`arn:aws:lambda:<region>:<account>:layer:<name>[:<number>]`."""
    arn = f"arn:{scope.partition}:lambda:{scope.region}:{scope.account_id}:layer:{name}"
    return arn if number is None else f"{arn}:{number}"


def parse_layer_arn(text: str) -> LayerArn | None:
    """Take an ARN of a layer or a layer version apart; None if it is neither."""
    match = _ARN.fullmatch(text)
    if match is None:
        return None
    number = match["number"]
    return LayerArn(
        partition=match["partition"],
        region=match["region"],
        account_id=match["account"],
        name=match["name"],
        # Longer numbers were never given out; 0 neither.
        number=None if number is None else int(number) if len(number) <= _NUMBER_DIGITS else 0,
    )
