"""Defaults, merging and AWS's checks of a function's configuration."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from lambd.access.principals import root_of
from lambd.control.configuration import ConfigurationChanges, LoggingChanges, apply_changes
from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import (
    AccessDeniedError,
    ConstraintViolationError,
    InvalidParameterError,
    PlatformError,
)
from lambd.model.functions import FunctionConfig, LoggingConfig
from lambd.model.limits import Limits

ROLE = "arn:aws:iam::000000000000:role/r"
OTHER_ROLE = "arn:aws:iam::000000000000:role/service/other"
BASE = FunctionConfig(role=ROLE, runtime="python3.12", handler="h.handler", environment={"AA": "1"})


class Rules:
    """Runtimes of which only python3.12 may be used."""

    def refusal(self, identifier: str, today: date) -> str | None:
        """A text that shows what was asked."""
        return None if identifier == "python3.12" else f"{identifier} refused on {today}"


SCOPE = Scope(account_id="000000000000", region="us-east-1")
CONTEXT = ControlContext(
    principal=root_of(SCOPE),
    scope=SCOPE,
    limits=Limits(),
    runtimes=Rules(),
    now=datetime(2026, 11, 24, tzinfo=UTC),
)


def apply(changes: ConfigurationChanges, base: FunctionConfig = BASE) -> FunctionConfig:
    """Apply changes in the test's context."""
    return apply_changes(base, changes, CONTEXT)


def refusal(changes: ConfigurationChanges, base: FunctionConfig = BASE) -> str:
    """The message that the changes are refused with."""
    with pytest.raises(PlatformError) as caught:
        apply(changes, base)
    return caught.value.message


def test_absent_members_stay() -> None:
    """No changes, no difference."""
    assert apply(ConfigurationChanges()) == BASE


def test_a_new_function_has_the_defaults() -> None:
    """The defaults of api.md section 5."""
    config = apply(
        ConfigurationChanges(runtime="python3.12", handler="h.handler"), FunctionConfig(role=ROLE)
    )
    assert config == FunctionConfig(
        role=ROLE,
        runtime="python3.12",
        handler="h.handler",
        description="",
        timeout_s=3,
        memory_mib=128,
        environment=None,
        architectures=("x86_64",),
        ephemeral_storage_mib=512,
        package_type="Zip",
        tracing_mode="PassThrough",
        logging=LoggingConfig(),
    )


def test_present_members_replace() -> None:
    """Each member that was sent has its new value; an empty map clears the variables."""
    config = apply(
        ConfigurationChanges(
            role=OTHER_ROLE, description="d", timeout_s=900, memory_mib=10240, environment={}
        )
    )
    assert (config.role, config.description, config.timeout_s) == (OTHER_ROLE, "d", 900)
    assert (config.memory_mib, config.environment) == (10240, {})
    assert config.handler == BASE.handler


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(ConfigurationChanges(runtime="python3.12"), id="no handler"),
        pytest.param(ConfigurationChanges(handler="h.handler"), id="no runtime"),
        pytest.param(ConfigurationChanges(), id="neither"),
    ],
)
def test_an_archive_needs_runtime_and_handler(changes: ConfigurationChanges) -> None:
    """Both are required with a Zip package."""
    assert refusal(changes, FunctionConfig(role=ROLE)) == (
        "Runtime and Handler are mandatory parameters for functions created with deployment "
        "packages."
    )


def test_the_catalogue_words_the_refusal_of_a_runtime() -> None:
    """An unknown or deprecated runtime is refused in the catalogue's words."""
    assert refusal(ConfigurationChanges(runtime="cobol")) == "cobol refused on 2026-11-24"


def test_a_runtime_that_was_accepted_is_not_asked_about_again() -> None:
    """A function whose runtime was deprecated since can still be changed otherwise."""
    old = FunctionConfig(role=ROLE, runtime="python3.6", handler="h.handler")
    assert apply(ConfigurationChanges(timeout_s=5), old).timeout_s == 5


def test_reserved_variables_are_refused_by_name() -> None:
    """All reserved keys of the request are named, in its order."""
    message = refusal(
        ConfigurationChanges(environment={"AWS_REGION": "x", "AA": "y", "LAMBDA_TASK_ROOT": "z"})
    )
    assert message == (
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided contains reserved keys that are currently not supported for "
        "modification. Reserved keys used in this request: AWS_REGION, LAMBDA_TASK_ROOT"
    )


def test_variables_are_measured_as_compact_json() -> None:
    """4096 bytes with quotes, colon and braces are allowed, one more is not."""
    overhead = len('{"AA":""}')
    apply(ConfigurationChanges(environment={"AA": "x" * (4096 - overhead)}))
    value = "x" * (4097 - overhead)
    assert refusal(ConfigurationChanges(environment={"AA": value})) == (
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided exceeded the 4KB limit. "
        f'String measured: {{"AA":"{value}"}}'
    )


def test_variables_are_measured_in_bytes() -> None:
    """Two bytes a letter: half as many letters are too large."""
    assert "exceeded the 4KB limit" in refusal(ConfigurationChanges(environment={"AA": "é" * 2048}))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        pytest.param(
            ConfigurationChanges(timeout_s=901),
            ConstraintViolationError,
            "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
            "Member must have value less than or equal to 900",
            id="timeout",
        ),
        pytest.param(
            ConfigurationChanges(memory_mib=10241),
            InvalidParameterError,
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or "
            "equal to 10240",
            id="memory",
        ),
        pytest.param(
            ConfigurationChanges(ephemeral_storage_mib=511),
            ConstraintViolationError,
            "1 validation error detected: Value '511' at 'ephemeralStorage.size' failed to "
            "satisfy constraint: Member must have value greater than or equal to 512",
            id="storage",
        ),
    ],
)
def test_ranges_of_ordinary_functions_hold(
    changes: ConfigurationChanges, error: type[PlatformError], message: str
) -> None:
    """The service model's ranges are those of newer kinds of functions."""
    with pytest.raises(error) as caught:
        apply(changes)
    assert caught.value.message == message


def test_log_levels_need_the_json_format() -> None:
    """A level with the Text format is refused."""
    assert refusal(
        ConfigurationChanges(logging=LoggingChanges(application_log_level="DEBUG"))
    ).startswith('LogLevel is not supported when LogFormat is set to "Text".')


def test_logging_members_merge() -> None:
    """Absent members of LoggingConfig stay, as those of the configuration do."""
    json = apply(
        ConfigurationChanges(
            logging=LoggingChanges(log_format="JSON", system_log_level="WARN", log_group="/g")
        )
    )
    debug = apply(ConfigurationChanges(logging=LoggingChanges(application_log_level="DEBUG")), json)
    assert debug.logging == LoggingConfig(
        log_format="JSON",
        application_log_level="DEBUG",
        system_log_level="WARN",
        log_group="/g",
    )


def test_levels_go_with_the_json_format() -> None:
    """Back to Text, the levels are gone; the group stays."""
    json = apply(
        ConfigurationChanges(
            logging=LoggingChanges(log_format="JSON", system_log_level="WARN", log_group="/g")
        )
    )
    text = apply(ConfigurationChanges(logging=LoggingChanges(log_format="Text")), json)
    assert text.logging == LoggingConfig(log_format="Text", log_group="/g")


def test_a_role_is_of_the_functions_own_account() -> None:
    """One that a caller sends; functions that have another from before can still be changed."""
    foreign = "arn:aws:iam::111122223333:role/r"
    with pytest.raises(AccessDeniedError) as caught:
        apply(ConfigurationChanges(role=foreign))
    assert caught.value.message == "Cross-account pass role is not allowed."
    changed = apply(ConfigurationChanges(description="d"), replace(BASE, role=foreign))
    assert changed.role == foreign


def test_a_null_character_in_a_variable_is_refused() -> None:
    """No process could be given it."""
    with pytest.raises(InvalidParameterError, match=r"the value of AB contains a null character"):
        apply(ConfigurationChanges(environment={"AA": "a", "AB": "a\0b"}))


def test_temporary_storage_is_the_operators_to_bound() -> None:
    """AWS's own limit by default."""
    assert apply(ConfigurationChanges(ephemeral_storage_mib=32_768)).ephemeral_storage_mib == 32_768
    with pytest.raises(ConstraintViolationError, match="less than or equal to 32768"):
        apply(ConfigurationChanges(ephemeral_storage_mib=32_769))
    small = replace(CONTEXT, limits=Limits(ephemeral_storage_mib=600))
    with pytest.raises(ConstraintViolationError, match="less than or equal to 600"):
        apply_changes(BASE, ConfigurationChanges(ephemeral_storage_mib=601), small)
