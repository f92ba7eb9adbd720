"""Provisioned concurrency as values. Source: api.md section 11, scaling.md section 2."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lambd.model.aliases import Route
from lambd.model.functions import FunctionVersion

# `StatusReason` when the function's own initialisation fails.
INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"


class AllocationStatus(StrEnum):
    """`Status` of a provisioned concurrency config."""

    IN_PROGRESS = "IN_PROGRESS"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedConcurrency:
    """A config as stored: so many environments of a version, or of an alias's versions."""

    function_name: str
    # A version number or an alias.
    qualifier: str
    requested: int
    # New with every change of what is to be allocated, so that an outcome that comes late is not
    # taken for that of a later request.
    allocation_id: str
    status: AllocationStatus
    status_reason: str | None = None
    last_modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedUse:
    """How a scope's provisioned environments are used at a moment."""

    # Invocations that run on them; environments that are initialised; those there should be.
    in_use: int
    ready: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many environments of one version are to be kept for a scope."""

    version: FunctionVersion
    environments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A config and the versions that it means now."""

    config: ProvisionedConcurrency
    shares: tuple[Share, ...]


def split(requested: int, route: Route) -> tuple[Share, ...]:
    """Share environments out between the versions of a route, in proportion to their weights.

    A version that gets any invocations gets an environment if there are two.
    """
    if route.additional is None or route.additional_weight <= 0:
        return (Share(version=route.version, environments=requested),)
    if route.additional_weight >= 1:
        return (Share(version=route.additional, environments=requested),)
    additional = round(requested * route.additional_weight)
    if requested > 1:
        additional = min(max(additional, 1), requested - 1)
    shares = (
        Share(version=route.version, environments=requested - additional),
        Share(version=route.additional, environments=additional),
    )
    return tuple(share for share in shares if share.environments)
