"""EventBridge rules that run on a schedule, and their targets, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lambd.model.arns import Scope
from lambd.services.dispatch.model import RetryPolicy
from lambd.services.dispatch.occurrences import Timing

# The only event bus there is.
DEFAULT_BUS = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule on the default event bus."""

    id: int = 0
    name: str
    description: str | None
    expression: str
    is_enabled: bool
    tags: Mapping[str, str] = field(default_factory=dict)
    # A rate counts from here.
    anchor_at: datetime
    # When it is due next; None: never, or disabled.
    next_at: datetime | None = None

    @property
    def timing(self) -> Timing:
        """When it is due: UTC, and a rate first one interval after its beginning."""
        return Timing(expression=self.expression, anchor_at=self.anchor_at, begins_at_once=False)


def rule_arn(scope: Scope, name: str) -> str:
    """`arn:aws:events:<region>:<account>:rule/<name>`."""
    return f"arn:{scope.partition}:events:{scope.region}:{scope.account_id}:rule/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTransformer:
    """An event made anew: variable -> path into the event, and the text they are put into."""

    paths: Mapping[str, str]
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTarget:
    """A function that a rule invokes; at most one of the three inputs is there."""

    id: int = 0
    rule_id: int
    # `Id`, unique within its rule.
    name: str
    arn: str
    input: str | None = None
    input_path: str | None = None
    transformer: InputTransformer | None = None
    # What was said of the retry policy; None: nothing.
    max_retries: int | None = None
    max_age_s: int | None = None
    dead_letter_arn: str | None = None

    @property
    def retry(self) -> RetryPolicy:
        """The retry policy that holds."""
        default = RetryPolicy()
        return RetryPolicy(
            max_retries=default.max_retries if self.max_retries is None else self.max_retries,
            max_age_s=default.max_age_s if self.max_age_s is None else self.max_age_s,
        )
