"""AWS's shapes of functions <-> the model's values.

Defaults and absent members as AWS replies them: api.md section 5.
"""

from __future__ import annotations

import base64
from datetime import datetime

from lambd.api.call import LambdaApi, Members
from lambd.control.configuration import UNCHANGED, ConfigurationChanges, LoggingChanges
from lambd.model.arns import LATEST
from lambd.model.functions import FunctionVersion
from lambd.runtimes.prepared_runtime import RuntimeUnavailableError


def configuration_changes(params: Members) -> ConfigurationChanges:
    """What a Create or Update request says of the configuration."""
    logging = params.get("LoggingConfig")
    environment = params.get("Environment")
    storage = params.get("EphemeralStorage")
    tracing = params.get("TracingConfig")
    architectures = params.get("Architectures")
    dead_letter = params.get("DeadLetterConfig")
    return ConfigurationChanges(
        role=params.get("Role", UNCHANGED),
        runtime=params.get("Runtime", UNCHANGED),
        handler=params.get("Handler", UNCHANGED),
        description=params.get("Description", UNCHANGED),
        timeout_s=params.get("Timeout", UNCHANGED),
        memory_mib=params.get("MemorySize", UNCHANGED),
        environment=UNCHANGED if environment is None else environment.get("Variables", {}),
        architectures=UNCHANGED if not architectures else tuple(architectures),
        ephemeral_storage_mib=UNCHANGED if storage is None else storage["Size"],
        tracing_mode=UNCHANGED if tracing is None else tracing.get("Mode", "PassThrough"),
        logging=UNCHANGED
        if logging is None
        else LoggingChanges(
            log_format=logging.get("LogFormat"),
            application_log_level=logging.get("ApplicationLogLevel"),
            system_log_level=logging.get("SystemLogLevel"),
            log_group=logging.get("LogGroup"),
        ),
        # An empty structure says nothing, an empty text clears [L].
        dead_letter_arn=UNCHANGED
        if dead_letter is None or "TargetArn" not in dead_letter
        else dead_letter["TargetArn"] or None,
    )


async def configuration(
    api: LambdaApi, version: FunctionVersion, *, arn_qualifier: str | None
) -> Members:
    """`FunctionConfiguration` with the states; `arn_qualifier` is what FunctionArn ends in."""
    reply = listed_configuration(api, version, arn_qualifier=arn_qualifier)
    if version.config.runtime is not None:
        reply["RuntimeVersionConfig"] = await _runtime_version(api, version.config.runtime)
    reply["State"] = version.state.value
    if version.state_reason is not None:
        reply["StateReason"] = version.state_reason.text
        reply["StateReasonCode"] = version.state_reason.code
    if version.update_status is not None:
        reply["LastUpdateStatus"] = version.update_status.value
    if version.update_reason is not None:
        reply["LastUpdateStatusReason"] = version.update_reason.text
        reply["LastUpdateStatusReasonCode"] = version.update_reason.code
    return reply


def listed_configuration(
    api: LambdaApi, version: FunctionVersion, *, arn_qualifier: str | None
) -> Members:
    """`FunctionConfiguration` as the list operations give it: without states [L]."""
    config = version.config
    reply: Members = {
        "FunctionName": version.name,
        "FunctionArn": api.scope.function_arn(version.name, arn_qualifier),
        "Runtime": config.runtime,
        "Role": config.role,
        "Handler": config.handler,
        "CodeSize": version.code.size_bytes,
        "Description": config.description,
        "Timeout": config.timeout_s,
        "MemorySize": config.memory_mib,
        "LastModified": timestamp(version.last_modified),
        "CodeSha256": base64.b64encode(bytes.fromhex(version.code.sha256)).decode(),
        "Version": version.version,
        "TracingConfig": {"Mode": config.tracing_mode},
        "RevisionId": version.revision_id,
        "PackageType": config.package_type,
        "Architectures": list(config.architectures),
        "EphemeralStorage": {"Size": config.ephemeral_storage_mib},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": _logging(version),
    }
    if config.environment is not None:
        reply["Environment"] = {"Variables": dict(config.environment)}
    if config.dead_letter_arn is not None:
        reply["DeadLetterConfig"] = {"TargetArn": config.dead_letter_arn}
    if config.layers:
        reply["Layers"] = [
            {"Arn": layer.arn, "CodeSize": layer.code.size_bytes} for layer in config.layers
        ]
    return reply


async def _runtime_version(api: LambdaApi, runtime: str) -> Members:
    """`RuntimeVersionConfig`: what functions run on here, or why there is nothing to."""
    try:
        return {"RuntimeVersionArn": await api.runtime_version_arn(runtime)}
    except RuntimeUnavailableError as error:
        return {"Error": {"ErrorCode": "InvalidRuntime", "Message": error.message}}


def requested_qualifier(version: FunctionVersion, qualifier: str | None) -> str | None:
    """What FunctionArn ends in when a version was asked for by this qualifier (None: by none)."""
    return qualifier if version.version == LATEST else (qualifier or version.version)


def timestamp(moment: datetime) -> str:
    """`2026-11-23T10:15:30.123+0000`."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _logging(version: FunctionVersion) -> Members:
    logging = version.config.logging
    reply: Members = {"LogFormat": logging.log_format}
    if logging.log_format == "JSON":
        reply["ApplicationLogLevel"] = logging.application_log_level or "INFO"
        reply["SystemLogLevel"] = logging.system_log_level or "INFO"
    reply["LogGroup"] = version.log_group
    return reply
