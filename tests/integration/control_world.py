"""A store in a temporary directory and the control plane on it, driven without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from lambd.access.principals import root_of
from lambd.control.configuration import ConfigurationChanges
from lambd.control.context import ControlContext
from lambd.control.functions import CreateFunctionRequest, create_function
from lambd.model.arns import LATEST, Scope
from lambd.model.functions import Code, FunctionVersion, Reason
from lambd.model.limits import Limits
from lambd.store import functions as rows
from lambd.store.database import Change, Connection, create_sqlite_engine
from lambd.store.migrate import migrate

_P = ParamSpec("_P")
_T = TypeVar("_T")

ROLE = "arn:aws:iam::000000000000:role/r"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
FAILURE = Reason(text="It does not start.", code="InvalidRuntime")


def code(number: int, size_bytes: int = 10) -> Code:
    """Some stored code."""
    return Code(sha256=f"{number:064x}", size_bytes=size_bytes)


class AllRuntimes:
    """A catalogue that refuses nothing."""

    def refusal(self, identifier: str, today: date) -> None:
        """No objection."""


class World:
    """The control plane on a store of its own; every call is a transaction, a second apart."""

    def __init__(self, directory: Path, limits: Limits | None = None) -> None:
        self._engine = create_sqlite_engine(directory / "world.sqlite3")
        with self._engine.execution_options(writes=True).begin() as connection:
            migrate(connection)
        self.now = datetime(2026, 11, 24, tzinfo=UTC)
        self.limits = limits or Limits()
        # What the last transaction gave notice of.
        self.notices: list[Change] = []

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    @property
    def context(self) -> ControlContext:
        """The surroundings of a request that comes now."""
        scope = Scope(account_id="000000000000", region="us-east-1")
        return ControlContext(
            principal=root_of(scope),
            scope=scope,
            limits=self.limits,
            runtimes=AllRuntimes(),
            now=self.now,
        )

    def call(
        self,
        fn: Callable[Concatenate[Connection, ControlContext, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Call a control function in a transaction."""
        self.now += timedelta(seconds=1)
        with self.transaction() as connection:
            return fn(connection, self.context, *args, **kwargs)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One write transaction, as `Database.run` has it."""
        outbox: dict[Change, None] = {}
        options = self._engine.execution_options(writes=True, outbox=outbox)
        with options.begin() as connection:
            yield connection
        self.notices = list(outbox)

    def create(
        self, name: str, *, publish: bool = False, number: int = 1, settled: bool = True
    ) -> FunctionVersion:
        """Create a function, by default already Active."""
        created = self.call(
            create_function,
            CreateFunctionRequest(
                name=name,
                role=ROLE,
                code=code(number),
                configuration=ConfigurationChanges(runtime="python3.12", handler="h.handler"),
                publish=publish,
            ),
        )
        if not settled:
            return created
        self.settle()
        return self.latest(name)

    def version(self, name: str, version: str) -> FunctionVersion | None:
        """What is stored of a version."""
        with self.transaction() as connection:
            return rows.get_version(connection, name, version)

    def latest(self, name: str) -> FunctionVersion:
        """`$LATEST` of a function that exists."""
        latest = self.version(name, LATEST)
        assert latest is not None
        return latest

    def settle(self, failure: Reason | None = None) -> int:
        """Do the reconciler's part for all that is in transition; returns how many that were."""
        with self.transaction() as connection:
            versions = rows.list_in_transition(connection)
            for each in versions:
                key = (each.name, each.version, each.deployment.id)
                if failure is None:
                    assert rows.mark_ready(connection, *key, self.now)
                else:
                    assert rows.mark_failed(connection, *key, failure, self.now)
        return len(versions)
