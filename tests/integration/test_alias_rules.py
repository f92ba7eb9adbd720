"""Random sequences with aliases too: the rules of `test_control_rules.py`, and those of aliases."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from tests.integration.test_control_rules import NAMES, Rules

from lambd.control.aliases import (
    CreateAliasRequest,
    UpdateAliasRequest,
    create_alias,
    delete_alias,
    list_aliases,
    update_alias,
)
from lambd.control.functions import delete_function
from lambd.model.aliases import AdditionalVersion
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import (
    AccountLimitError,
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    PreconditionFailedError,
)
from lambd.store.aliases import find_route

ALIASES = st.sampled_from(["live", "test"])
VERSIONS = st.sampled_from([LATEST, "1", "2", "3"])
WEIGHTS: st.SearchStrategy[dict[str, float]] = st.one_of(
    st.just({}),
    st.dictionaries(
        st.sampled_from(["1", "2", "3"]), st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=1
    ),
)

# An alias as the rules have it: its version, and the weights of the others.
Target = tuple[str, dict[str, float]]


class AliasRules(Rules):
    """See the module header."""

    def __init__(self) -> None:
        super().__init__()
        self.aliases: defaultdict[str, dict[str, Target]] = defaultdict(dict)

    @rule(name=NAMES, number=st.none() | st.integers(1, 4))
    def delete(self, name: str, number: int | None) -> None:
        """A version that an alias leads to stays; aliases go with their function."""
        is_used = any(
            str(number) in (version, *weights) for version, weights in self.aliases[name].values()
        )
        if is_used:
            reference = FunctionReference(name=name, qualifier=str(number))
            self.expect(ConflictError, lambda: self.world.call(delete_function, reference))
            return
        super().delete(name, number)
        if number is None:
            del self.aliases[name]

    @rule(name=NAMES, alias=ALIASES, version=VERSIONS, weights=WEIGHTS)
    def create_alias(self, name: str, alias: str, version: str, weights: dict[str, float]) -> None:
        """A free name leads to a version, or to two that differ."""
        request = CreateAliasRequest(
            function_name=name, name=alias, version=version, weights=weights
        )
        error = self.version_error(name, version)
        if error is None and alias in self.aliases[name]:
            error = ConflictError
        error = error or self.routing_error(name, version, weights)
        if error is not None:
            self.expect(error, lambda: self.world.call(create_alias, request))
            return
        self.world.call(create_alias, request)
        self.aliases[name][alias] = (version, weights)

    @rule(
        name=NAMES,
        alias=ALIASES,
        version=st.none() | VERSIONS,
        weights=st.none() | WEIGHTS,
        outdated=st.booleans(),
    )
    def update_alias(
        self,
        name: str,
        alias: str,
        version: str | None,
        weights: dict[str, float] | None,
        *,
        outdated: bool,
    ) -> None:
        """Another version, another routing, both or none; or an outdated RevisionId."""
        request = UpdateAliasRequest(
            function_name=name,
            name=alias,
            version=version,
            weights=weights,
            revision_id="outdated" if outdated else None,
        )
        if alias not in self.aliases[name]:
            self.expect(NotFoundError, lambda: self.world.call(update_alias, request))
            return
        before = self.aliases[name][alias]
        after = (version or before[0], before[1] if weights is None else weights)
        error: type[Exception] | None = PreconditionFailedError if outdated else None
        error = error or self.version_error(name, after[0]) or self.routing_error(name, *after)
        if error is not None:
            self.expect(error, lambda: self.world.call(update_alias, request))
            return
        self.world.call(update_alias, request)
        self.aliases[name][alias] = after

    @rule(name=NAMES, alias=ALIASES)
    def delete_alias(self, name: str, alias: str) -> None:
        """Whether or not it is there."""
        if name not in self.functions:
            self.expect(NotFoundError, lambda: self.world.call(delete_alias, name, alias))
            return
        self.world.call(delete_alias, name, alias)
        self.aliases[name].pop(alias, None)

    @invariant()
    def aliases_agree(self) -> None:
        """Every alias is what it was last made, and leads to versions that exist."""
        for name in self.functions:
            stored = {item.name: item for item in self.world.call(list_aliases, name).items}
            assert set(stored) == set(self.aliases[name])
            for alias, (version, weights) in self.aliases[name].items():
                additional = [
                    AdditionalVersion(version=other, weight=weight)
                    for other, weight in weights.items()
                ]
                assert stored[alias].version == version
                assert [item for item in [stored[alias].additional] if item] == additional
                with self.world.transaction() as connection:
                    route = find_route(connection, name, alias)
                assert route is not None
                assert route.version == self.world.version(name, version)
                others = [self.world.version(name, other) for other in weights]
                assert [item for item in [route.additional] if item] == others

    def version_error(self, name: str, version: str) -> type[Exception] | None:
        """How a version is refused; None if it exists."""
        function = self.functions.get(name)
        if function is None or (version != LATEST and int(version) not in function.published):
            return NotFoundError
        return None

    def routing_error(
        self, name: str, version: str, weights: dict[str, float]
    ) -> type[Exception] | None:
        """How an alias of this version with these weights is refused; None if it may be."""
        for other in weights:
            if version == LATEST:
                return AccountLimitError
            if version == other:
                return InvalidParameterError
            return self.version_error(name, other)
        return None


TestAliasRules = AliasRules.TestCase
TestAliasRules.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
