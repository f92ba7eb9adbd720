"""Random sequences of operations on the real store, beside a simple model of the rules."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.integration.control_world import FAILURE, ROLE, World, code

from lambd.control.configuration import ConfigurationChanges
from lambd.control.functions import (
    CreateFunctionRequest,
    UpdateCodeRequest,
    UpdateConfigurationRequest,
    create_function,
    delete_function,
    list_functions,
    update_code,
    update_configuration,
)
from lambd.control.versions import PublishVersionRequest, publish_version
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import ConflictError, NotFoundError, PreconditionFailedError
from lambd.model.functions import FunctionVersion, State, UpdateStatus
from lambd.store import contents

NAMES = st.sampled_from(["a", "b"])
CODES = st.integers(1, 3)
DESCRIPTIONS = st.sampled_from(["", "x", "y"])

# What a deployment is made of here: description and code.
Content = tuple[str, int]


@dataclass
class Version:
    """A version as the rules have it."""

    shown: Content
    serving: Content | None = None
    # Pending, Active, InProgress, Failed (for good) or UpdateFailed.
    phase: str = "Pending"
    # Of published versions: what `$LATEST` showed.
    source: Content | None = None

    def settle(self, *, well: bool) -> None:
        """The reconciler's part."""
        if self.phase in ("Pending", "InProgress"):
            if well:
                self.serving, self.phase = self.shown, "Active"
            else:
                self.phase = "Failed" if self.phase == "Pending" else "UpdateFailed"


@dataclass
class Function:
    """A function as the rules have it; published versions by number."""

    latest: Version
    published: dict[int, Version] = field(default_factory=dict)


class Rules(RuleBasedStateMachine):
    """See the module header."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.world = World(Path(self._directory.name))
        self.functions: dict[str, Function] = {}
        self.counters: dict[str, int] = {}

    def teardown(self) -> None:
        """Close the store."""
        self.world.close()
        self._directory.cleanup()

    @rule(name=NAMES, number=CODES, description=DESCRIPTIONS, publish=st.booleans())
    def create(self, name: str, number: int, description: str, *, publish: bool) -> None:
        """A free name becomes a Pending function."""
        request = CreateFunctionRequest(
            name=name,
            role=ROLE,
            code=code(number),
            configuration=ConfigurationChanges(
                runtime="python3.12", handler="h.handler", description=description
            ),
            publish=publish,
        )
        if name in self.functions:
            self.expect(ConflictError, lambda: self.world.call(create_function, request))
            return
        function = Function(latest=Version(shown=(description, number)))
        self.functions[name] = function
        reply = self.world.call(create_function, request)
        self.check_reply(reply, self.publish_model(name, function) if publish else None)

    @rule(name=NAMES, number=CODES, publish=st.booleans(), dry_run=st.booleans())
    def update_code(self, name: str, number: int, *, publish: bool, dry_run: bool) -> None:
        """Other code, the same description."""
        request = UpdateCodeRequest(name=name, code=code(number), publish=publish, dry_run=dry_run)
        function = self.changeable(name, lambda: self.world.call(update_code, request))
        if function is None:
            return
        reply = self.world.call(update_code, request)
        if dry_run:
            assert reply.code == code(number)
            return
        self.update_model(function, (function.latest.shown[0], number))
        self.check_reply(reply, self.publish_model(name, function) if publish else None)

    @rule(name=NAMES, description=DESCRIPTIONS, outdated=st.booleans())
    def update_configuration(self, name: str, description: str, *, outdated: bool) -> None:
        """Another description, the same code; or an outdated RevisionId."""
        changes = ConfigurationChanges(description=description)
        request = UpdateConfigurationRequest(
            name=name, changes=changes, revision_id="outdated" if outdated else None
        )
        function = self.changeable(name, lambda: self.world.call(update_configuration, request))
        if function is None:
            return
        if outdated:
            self.expect(
                PreconditionFailedError, lambda: self.world.call(update_configuration, request)
            )
            return
        self.check_reply(self.world.call(update_configuration, request), None)
        self.update_model(function, (description, function.latest.shown[1]))

    @rule(name=NAMES, description=st.none() | DESCRIPTIONS)
    def publish(self, name: str, description: str | None) -> None:
        """A copy of `$LATEST`, unless nothing changed."""
        request = PublishVersionRequest(name=name, description=description)
        function = self.changeable(name, lambda: self.world.call(publish_version, request))
        if function is None:
            return
        reply = self.world.call(publish_version, request)
        self.check_reply(reply, self.publish_model(name, function, description))

    @rule(name=NAMES, number=st.none() | st.integers(1, 4))
    def delete(self, name: str, number: int | None) -> None:
        """A function with all its versions, or one version."""
        reference = FunctionReference(name=name, qualifier=None if number is None else str(number))
        if name not in self.functions:
            self.expect(NotFoundError, lambda: self.world.call(delete_function, reference))
            return
        self.world.call(delete_function, reference)
        if number is None:
            del self.functions[name]
        else:
            self.functions[name].published.pop(number, None)

    @precondition(lambda self: self.functions)
    @rule(well=st.booleans())
    def settle(self, *, well: bool) -> None:
        """The reconciler brings everything to rest."""
        self.world.settle(None if well else FAILURE)
        for function in self.functions.values():
            for version in (function.latest, *function.published.values()):
                version.settle(well=well)

    @invariant()
    def store_agrees(self) -> None:
        """All that is stored is what the rules say, and nothing else is."""
        expected = {
            (name, number): version
            for name, function in self.functions.items()
            for number, version in (
                (LATEST, function.latest),
                *((str(key), value) for key, value in function.published.items()),
            )
        }
        stored = self.world.call(list_functions, all_versions=True).items
        assert {(item.name, item.version) for item in stored} == set(expected)
        needed: set[str] = set()
        for item in stored:
            check(item, expected[item.name, item.version])
            needed |= {item.code.sha256}
            needed |= set() if item.serving is None else {item.serving.code.sha256}
        ids = [item.deployment.id for item in stored]
        assert len(set(ids)) == len(ids)
        with self.world.transaction() as connection:
            assert contents.references(connection).archives == needed

    def changeable(self, name: str, operation: Callable[[], object]) -> Function | None:
        """The function if it may be changed; otherwise the operation has been refused."""
        function = self.functions.get(name)
        if function is not None and function.latest.phase in ("Active", "UpdateFailed"):
            return function
        self.expect(NotFoundError if function is None else ConflictError, operation)
        return None

    def expect(self, error: type[Exception], operation: Callable[[], object]) -> None:
        """The operation raises exactly this."""
        with pytest.raises(error) as caught:
            operation()
        assert caught.type is error

    def update_model(self, function: Function, shown: Content) -> None:
        """`$LATEST` shows something else and serves what it did."""
        function.latest.shown = shown
        function.latest.phase = "InProgress"

    def publish_model(self, name: str, function: Function, description: str | None = None) -> int:
        """The number that publishing replies with."""
        latest = function.latest
        if function.published:
            last = max(function.published)
            if function.published[last].source == latest.shown:
                return last
        self.counters[name] = self.counters.get(name, 0) + 1
        shown = latest.shown if description is None else (description, latest.shown[1])
        ready = latest.phase == "Active"
        function.published[self.counters[name]] = Version(
            shown=shown,
            serving=shown if ready else None,
            phase="Active" if ready else "Pending",
            source=latest.shown,
        )
        return self.counters[name]

    def check_reply(self, reply: FunctionVersion, number: int | None) -> None:
        """The reply is the version that it should be, as it is stored."""
        assert reply.version == (LATEST if number is None else str(number))
        assert self.world.version(reply.name, reply.version) == reply


def check(stored: FunctionVersion, version: Version) -> None:
    """A stored version is what the rules say."""
    phases = {
        "Pending": (State.PENDING, None),
        "Active": (State.ACTIVE, UpdateStatus.SUCCESSFUL),
        "InProgress": (State.ACTIVE, UpdateStatus.IN_PROGRESS),
        "Failed": (State.FAILED, UpdateStatus.FAILED),
        "UpdateFailed": (State.ACTIVE, UpdateStatus.FAILED),
    }
    assert (stored.state, stored.update_status) == phases[version.phase]
    assert (stored.config.description, stored.code) == (version.shown[0], code(version.shown[1]))
    if version.serving is None:
        assert stored.serving is None
    else:
        assert stored.serving is not None
        serving = (stored.serving.config.description, stored.serving.code)
        assert serving == (version.serving[0], code(version.serving[1]))


TestRules = Rules.TestCase
TestRules.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
