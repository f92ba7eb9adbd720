"""Runtime identifiers: what `python3.12` names, and whether a function may be created with it.

Nothing here touches the machine; what it can run is `provision.py`'s business. Source: runtime.md
section 12 (AWS's runtimes page, spring 2026) and the `Runtime` enum of the service model, whose
dead leftovers must be told from unknown texts because AWS words the two refusals differently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Family(StrEnum):
    """The language of a runtime."""

    PYTHON = "python"
    NODEJS = "nodejs"
    JAVA = "java"
    DOTNET = "dotnet"
    RUBY = "ruby"
    GO = "go"
    # OS-only: the archive brings its own `bootstrap`.
    PROVIDED = "provided"
    # Customer-managed runtimes, named by RuntimeConfig.
    CUSTOM = "custom"


class SupportStatus(StrEnum):
    """What CreateFunction makes of an identifier."""

    CREATABLE = "creatable"
    DEPRECATED = "deprecated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One identifier. Dates are AWS's; None where AWS has published none."""

    identifier: str
    family: Family
    # The language's own version, as AWS writes it: `3.12`, `22`, `8.al2`.
    version: str
    deprecated_on: date | None = None
    create_blocked_on: date | None = None
    update_blocked_on: date | None = None
    # In the enum only to describe old functions.
    is_retired: bool = False

    @property
    def execution_env(self) -> str | None:
        """`AWS_EXECUTION_ENV`; None for OS-only runtimes, which have none."""
        if self.family in (Family.PROVIDED, Family.CUSTOM):
            return None
        return f"AWS_Lambda_{self.identifier}"

    @property
    def python_version(self) -> tuple[int, int] | None:
        """`(3, 12)` for `python3.12`; None for every other language."""
        if self.family is not Family.PYTHON:
            return None
        major, minor = self.version.split(".")
        return int(major), int(minor)


def _dates(*texts: str) -> tuple[date, ...]:
    return tuple(date.fromisoformat(text) for text in texts)


_NO_DATES: tuple[date, ...] = ()
_2027_JUNE = _dates("2027-06-30", "2027-07-31", "2027-08-31")
_2029_JUNE = _dates("2029-06-30", "2029-07-31", "2029-08-31")

# Newest first within a family: the order of the enum message. Dates are those of deprecation,
# of blocked creation and of blocked updates.
_CURRENT: tuple[tuple[str, tuple[date, ...]], ...] = (
    ("nodejs26.x", _NO_DATES),
    ("nodejs24.x", _dates("2028-04-30", "2028-06-01", "2028-07-01")),
    ("nodejs22.x", _dates("2027-04-30", "2027-06-01", "2027-07-01")),
    ("nodejs20.x", _dates("2026-04-30", "2026-08-31", "2026-09-30")),
    ("python3.15", _NO_DATES),
    ("python3.14", _2029_JUNE),
    ("python3.13", _2029_JUNE),
    ("python3.12", _dates("2028-10-31", "2028-11-30", "2029-01-10")),
    ("python3.11", _2027_JUNE),
    ("python3.10", _dates("2026-10-31", "2026-11-30", "2027-01-15")),
    # AWS's page no longer lists it, so there are no dates to keep.
    ("python3.9", _NO_DATES),
    ("java25", _2029_JUNE),
    ("java21", _2029_JUNE),
    ("java17.al2023", _NO_DATES),
    ("java17", _2027_JUNE),
    ("java11.al2023", _NO_DATES),
    ("java11", _2027_JUNE),
    ("java8.al2023", _NO_DATES),
    ("java8.al2", _2027_JUNE),
    ("dotnet10", _dates("2028-11-14", "2028-12-14", "2029-01-15")),
    ("dotnet8", _dates("2026-11-10", "2026-12-10", "2027-01-11")),
    ("ruby4.0", _NO_DATES),
    ("ruby3.4", _dates("2028-03-31", "2028-04-30", "2028-05-31")),
    ("ruby3.3", _dates("2027-03-31", "2027-04-30", "2027-05-31")),
    ("ruby3.2", _dates("2026-03-31", "2026-08-31", "2026-09-30")),
    ("provided.al2023", _2029_JUNE),
    ("provided.al2", _dates("2026-07-31", "2026-08-31", "2026-09-30")),
    ("custom", _NO_DATES),
)

_RETIRED = (
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "nodejs18.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet6",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
)

# The oldest that AWS's runtime interface clients still have a release for.
_OLDEST_RUNNABLE_PYTHON = (3, 9)
_OLDEST_RUNNABLE_NODEJS = 20


def _parse(identifier: str, dates: tuple[date, ...], *, is_retired: bool) -> Runtime:
    family = next(member for member in Family if identifier.startswith(member))
    version = identifier.removeprefix(family).removeprefix("core").removeprefix(".")
    deprecated, create_blocked, update_blocked = dates or (None, None, None)
    return Runtime(
        identifier=identifier,
        family=family,
        version=version.removesuffix(".x"),
        deprecated_on=deprecated,
        create_blocked_on=create_blocked,
        update_blocked_on=update_blocked,
        is_retired=is_retired,
    )


def _table() -> Iterator[Runtime]:
    for identifier, dates in _CURRENT:
        yield _parse(identifier, dates, is_retired=False)
    for identifier in _RETIRED:
        yield _parse(identifier, _NO_DATES, is_retired=True)


RUNTIMES: dict[str, Runtime] = {runtime.identifier: runtime for runtime in _table()}


def status(identifier: str, today: date) -> SupportStatus:
    """Tell whether a function may be created with an identifier; matching is case-sensitive."""
    runtime = RUNTIMES.get(identifier)
    if runtime is None:
        return SupportStatus.UNKNOWN
    if runtime.is_retired:
        return SupportStatus.DEPRECATED
    # DEVIATION: AWS blocks creation with an old runtime from a date on (python3.9, nodejs20.x and
    # provided.al2 have been); lambd lets functions be created with every runtime that it can
    # itself run, because people run old functions on their own machines, and no test run should
    # break on a date.
    if _is_runnable(runtime):
        return SupportStatus.CREATABLE
    if runtime.create_blocked_on is not None and today >= runtime.create_blocked_on:
        return SupportStatus.DEPRECATED
    return SupportStatus.CREATABLE


def _is_runnable(runtime: Runtime) -> bool:
    """Whether lambd runs it, or would if the machine had what it takes."""
    match runtime.family:
        case Family.PYTHON:
            return (runtime.python_version or (0, 0)) >= _OLDEST_RUNNABLE_PYTHON
        case Family.NODEJS:
            return int(runtime.version) >= _OLDEST_RUNNABLE_NODEJS
        case Family.PROVIDED:
            return True
        case _:
            return False


def creatable_identifiers(today: date) -> tuple[str, ...]:
    """The identifiers in AWS's enum message, in its order."""
    return tuple(name for name in RUNTIMES if status(name, today) is SupportStatus.CREATABLE)


def refusal(identifier: str, today: date) -> str | None:
    """The text of AWS's InvalidParameterValueException for an identifier; None if it is fine.

    Source: api.md section 3.3 and 3.4, recorded from AWS (the order of the list is ours).
    """
    match status(identifier, today):
        case SupportStatus.CREATABLE:
            return None
        case SupportStatus.DEPRECATED:
            return (
                f"The runtime parameter of {identifier} is no longer supported for creating or "
                "updating AWS Lambda functions. We recommend you use a supported runtime while "
                "creating or updating functions."
            )
        case SupportStatus.UNKNOWN:
            supported = ", ".join(creatable_identifiers(today))
            return (
                f"Value {identifier} at 'runtime' failed to satisfy constraint: Member must "
                f"satisfy enum value set: [{supported}] or be a valid ARN"
            )
