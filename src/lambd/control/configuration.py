"""A function's configuration from what callers send: defaults, merging, AWS's checks.

Members that the platform cannot act on are refused before (`unsupported.py`), constraints of the
service model are the edge's. Here stand the service's own checks (api.md sections 3.3, 3.4, 4, 5).
Texts marked [K] are from experience with AWS, not recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum, auto

from lambd.control.context import ControlContext
from lambd.model.errors import (
    AccessDeniedError,
    ConstraintViolationError,
    InvalidParameterError,
)
from lambd.model.functions import FunctionConfig, LoggingConfig
from lambd.model.limits import (
    EPHEMERAL_STORAGE_MIN_MIB,
    MEMORY_MAX_MIB,
    MEMORY_MIN_MIB,
    TIMEOUT_MAX_S,
    TIMEOUT_MIN_S,
)

# runtime.md section 8, and those of AWS's developer guide.
RESERVED_ENVIRONMENT_KEYS = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_DEAD_LETTER = re.compile(r"arn:[a-z0-9-]+:(sqs|sns):[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+")


class Unchanged(Enum):
    """Stands for a member that the caller did not send."""

    UNCHANGED = auto()


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingChanges:
    """The members of `LoggingConfig` that a caller sent; None is absent."""

    log_format: str | None = None
    application_log_level: str | None = None
    system_log_level: str | None = None
    log_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChanges:
    """The configuration that a caller sent; absent members keep their value, or take the default.

    Names are those of `FunctionConfig`.
    """

    role: str | Unchanged = UNCHANGED
    runtime: str | Unchanged = UNCHANGED
    handler: str | Unchanged = UNCHANGED
    description: str | Unchanged = UNCHANGED
    timeout_s: int | Unchanged = UNCHANGED
    memory_mib: int | Unchanged = UNCHANGED
    environment: Mapping[str, str] | Unchanged = UNCHANGED
    architectures: tuple[str, ...] | Unchanged = UNCHANGED
    ephemeral_storage_mib: int | Unchanged = UNCHANGED
    tracing_mode: str | Unchanged = UNCHANGED
    logging: LoggingChanges | Unchanged = UNCHANGED
    # None: there is to be no dead-letter queue.
    dead_letter_arn: str | Unchanged | None = UNCHANGED


def apply_changes(
    config: FunctionConfig, changes: ConfigurationChanges, context: ControlContext
) -> FunctionConfig:
    """The configuration with the changes in it, checked as a whole.

    Raises:
        InvalidParameterError, ConstraintViolationError: AWS would refuse it.
    """
    sent = {
        item.name: value
        for item in fields(changes)
        if (value := getattr(changes, item.name)) is not UNCHANGED
    }
    if isinstance(changes.logging, LoggingChanges):
        sent["logging"] = _merge_logging(config.logging, changes.logging)
    changed = replace(config, **sent)
    if isinstance(changes.role, str):
        check_role(changes.role, context)
    if isinstance(changes.runtime, str):
        _check_runtime(changes.runtime, context)
    if isinstance(changes.environment, Mapping):
        _check_environment(changes.environment, context)
    if isinstance(changes.dead_letter_arn, str):
        _check_dead_letter(changes.dead_letter_arn)
    _check_ranges(changed, context)
    if changed.package_type == "Zip" and not (changed.runtime and changed.handler):
        raise InvalidParameterError(  # [K]
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )
    return changed


def check_role(role: str, context: ControlContext) -> None:
    """Raise AccessDeniedError if a role is not of the function's own account; the text is [K]."""
    # DEVIATION: that the role exists, and that Lambda may assume it, is not looked at.
    if role.split(":")[4:5] != [context.scope.account_id]:
        raise AccessDeniedError("Cross-account pass role is not allowed.")


def _check_runtime(runtime: str, context: ControlContext) -> None:
    refusal = context.runtimes.refusal(runtime, context.now.date())
    if refusal is not None:
        raise InvalidParameterError(refusal)


def _check_environment(variables: Mapping[str, str], context: ControlContext) -> None:
    reserved = [key for key in variables if key in RESERVED_ENVIRONMENT_KEYS]
    if reserved:
        raise InvalidParameterError(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    for key, value in variables.items():
        if "\0" in value:
            # No process can be given such a value. The text is ours.
            raise InvalidParameterError(
                "Lambda was unable to configure your environment variables because the value of "
                f"{key} contains a null character."
            )
    measured = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    limit = context.limits.environment_variables_bytes
    if len(measured.encode()) > limit:
        raise InvalidParameterError(
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the {limit // 1024}KB limit. "
            f"String measured: {measured}"
        )


def _check_dead_letter(arn: str) -> None:
    """A standard queue or topic (invoke.md section 3.1); the text is ours."""
    if _DEAD_LETTER.fullmatch(arn) is None or arn.endswith(".fifo"):
        raise InvalidParameterError(
            f"The dead-letter target {arn} is neither a standard SQS queue nor a standard SNS topic."
        )


def _check_ranges(config: FunctionConfig, context: ControlContext) -> None:
    """What AWS allows an ordinary function; the service model's ranges are wider (api.md 15)."""
    if not MEMORY_MIN_MIB <= config.memory_mib <= MEMORY_MAX_MIB:
        raise InvalidParameterError(  # [K], as accounts with a lower memory limit read it
            "'MemorySize' value failed to satisfy constraint: Member must have value "
            + _bound(config.memory_mib, MEMORY_MIN_MIB, MEMORY_MAX_MIB)
        )
    for value, path, least, most in (
        (config.timeout_s, "timeout", TIMEOUT_MIN_S, TIMEOUT_MAX_S),
        (
            config.ephemeral_storage_mib,
            "ephemeralStorage.size",
            EPHEMERAL_STORAGE_MIN_MIB,
            context.limits.ephemeral_storage_mib,
        ),
    ):
        if not least <= value <= most:
            raise ConstraintViolationError(
                f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy "
                f"constraint: Member must have value {_bound(value, least, most)}"
            )


def _bound(value: int, least: int, most: int) -> str:
    if value < least:
        return f"greater than or equal to {least}"
    return f"less than or equal to {most}"


def _merge_logging(current: LoggingConfig, changes: LoggingChanges) -> LoggingConfig:
    log_format = changes.log_format or current.log_format
    application_level, system_level = changes.application_log_level, changes.system_log_level
    if log_format == "Text":
        if application_level is not None or system_level is not None:
            raise InvalidParameterError(
                'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from '
                'your request or change the LogFormat to "JSON" and try again.'
            )
    else:
        application_level = application_level or current.application_log_level
        system_level = system_level or current.system_log_level
    return LoggingConfig(
        log_format=log_format,
        application_log_level=application_level,
        system_log_level=system_level,
        log_group=changes.log_group or current.log_group,
    )
