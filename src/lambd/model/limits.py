"""Every quota: name, value, unit, source. Nothing else holds a quota number.

Defaults are AWS's (api.md section 15); an operator may raise those in `Limits` by `[limits]` in
the configuration file. Module constants are part of the protocol and stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024

# Longest and shortest function timeout, seconds.
TIMEOUT_MIN_S, TIMEOUT_MAX_S = 1, 900
# Smallest and largest function memory and smallest /tmp, MiB.
MEMORY_MIN_MIB, MEMORY_MAX_MIB = 128, 10_240
EPHEMERAL_STORAGE_MIN_MIB = 512
# One vCPU's worth of memory, MiB (architecture: CPU share by memory).
MEMORY_MIB_PER_VCPU = 1769
# On-demand initialisation phase, seconds (runtime.md section 3).
INIT_TIMEOUT_S = 10.0
# The same of provisioned environments, unless the function's timeout is longer.
PROVISIONED_INIT_TIMEOUT_S = 130.0
# Extensions of one environment, external and internal together.
EXTENSIONS = 10
# Shutdown phase, seconds: with external extensions, and with internal ones only. Without extensions
# there is none. The runtime's share of it comes first.
SHUTDOWN_S, SHUTDOWN_INTERNAL_S, SHUTDOWN_RUNTIME_SHARE = 2.0, 0.5, 0.3
# Last bytes of the log returned by LogType=Tail.
LOG_TAIL_BYTES = 4096
# File descriptors per process, processes and threads per environment.
OPEN_FILES, PROCESSES = 1024, 1024
# X-Amz-Client-Context, bytes of base64 text.
CLIENT_CONTEXT_BYTES = 3583
# Request line and headers of any HTTP request to the platform, bytes.
HTTP_HEADER_BYTES = 1 * MIB
# Presigned download links of GetFunction, seconds.
CODE_LINK_VALID_S = 600
# Files, directories and links of one archive, and bytes of its zip directory: ours, AWS publishes
# none; they bound the memory and inodes that an archive of empty files costs.
ARCHIVE_ENTRIES = 200_000
ARCHIVE_DIRECTORY_BYTES = 32 * MIB
# Where a symbolic link in an archive points to, bytes: Linux's PATH_MAX.
SYMLINK_TARGET_BYTES = 4095
# One function log line, bytes: CloudWatch Logs' event limit; longer lines are split.
LOG_LINE_BYTES = 256 * 1024

# Application Auto Scaling: scheduled actions of a target (AWS's quota); days (AWS's six weeks) and,
# for each target, number of activities that are kept.
SCHEDULED_ACTIONS_PER_TARGET = 200
SCALING_ACTIVITY_DAYS, SCALING_ACTIVITIES_PER_TARGET = 42, 500

# EventBridge Scheduler: groups, schedules, bytes of an input (AWS's quotas); how long a client
# token is remembered, hours. EventBridge: rules, targets of one.
SCHEDULE_GROUPS, SCHEDULES = 500, 1_000_000
SCHEDULE_INPUT_BYTES = 256 * 1024
CLIENT_TOKEN_HOURS = 24
RULES, TARGETS_PER_RULE = 300, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Account and host quotas that an operator may change. Bytes unless the name says otherwise."""

    concurrent_executions: int = 1000
    # Concurrency that no reservation may take away from the functions that have none.
    unreserved_concurrency: int = 100
    # Environments that a function may get in ten seconds, provisioned ones aside; 0: any number.
    environments_per_10_s: int = 1000
    # Invocations a second for each unit of concurrency that a function may use; 0: any number.
    requests_per_concurrency: int = 10
    resource_policy_bytes: int = 20_480
    code_storage_bytes: int = 300 * 1024 * MIB
    zipped_code_bytes: int = 52_428_800
    unzipped_code_bytes: int = 262_144_000
    # Whole CreateFunction or UpdateFunctionCode request.
    code_request_bytes: int = 70_167_211
    sync_payload_bytes: int = 6_291_456
    async_payload_bytes: int = 1_048_576
    # Events that wait for one function, payloads and some more each; 0: as many as the disk holds.
    queued_event_bytes: int = 4 * 1024 * MIB
    # A response may be this large: 6 MiB and 100 bytes.
    response_payload_bytes: int = 6_291_556
    # A streamed response: its size; then what passes at once, and how much a second after that
    # (0: no such limit).
    streamed_response_bytes: int = 200 * MIB
    streamed_response_burst_bytes: int = 6 * MIB
    streamed_response_bytes_per_s: int = 2 * MIB
    environment_variables_bytes: int = 4096
    # Largest /tmp, MiB; AWS's own since August 2026.
    ephemeral_storage_mib: int = 32_768
    tags_per_resource: int = 50
    layers_per_function: int = 5
    list_page_items: int = 50
    # AWS has such a limit and publishes no number (api.md section 8); ours is out of the way.
    aliases_per_function: int = 10_000
    # Kept log bytes of the whole platform, oldest dropped first.
    log_storage_bytes: int = 512 * MIB
