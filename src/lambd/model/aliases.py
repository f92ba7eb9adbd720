"""Aliases as values: names for a version, or for two with a weight. Source: api.md section 8."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lambd.model.functions import FunctionVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionalVersion:
    """The second version of an alias; `weight` is its share of the invocations, 0 to 1."""

    version: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An alias as stored."""

    function_name: str
    name: str
    # A version number or `$LATEST`; with an additional version never `$LATEST`.
    version: str
    description: str = ""
    additional: AdditionalVersion | None = None
    revision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a qualifier leads to: one version, or another one with a probability."""

    version: FunctionVersion
    additional: FunctionVersion | None = None
    additional_weight: float = 0.0

    def choose(self, random: Random) -> FunctionVersion:
        """The version for one invocation; each is drawn anew, as on AWS."""
        if self.additional is not None and random.random() < self.additional_weight:
            return self.additional
        return self.version
