"""The environment variables of a runtime process, and how that process may be started.

Pure functions. Source: runtime.md section 8 (AWS's environment variables page) and section 9
(wrapper scripts). AWS's client adds the per-invocation ones itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lambd.model.arns import Scope
from lambd.model.functions import Deployment, FunctionConfig, FunctionVersion
from lambd.runtimes import node_options
from lambd.runtimes.catalogue import RUNTIMES, Family
from lambd.runtimes.prepared_runtime import LANG_DIR, RUNTIME_DIR, PreparedRuntime

WRAPPER_VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"
# Where init keeps the write end of the log for framed records (see shims/init.py). AWS's client
# takes the variable out of its environment.
TELEMETRY_LOG_FD = 3

# What an interpreter, libc or the dynamic linker reads when it starts, so that setting it in a
# process that has started already would come too late.
_READ_AT_START_PREFIXES = ("PYTHON", "LD_", "MALLOC_", "LC_")
_READ_AT_START = frozenset(
    {"LANG", "LANGUAGE", "LOCPATH", "GLIBC_TUNABLES", "GCONV_PATH", WRAPPER_VARIABLE}
)


# What the runtime process has and external extensions have not, beside names with an underscore in
# front.
_RUNTIME_ONLY = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


class StartMode(StrEnum):
    """How init starts the runtime process."""

    # In a child of init itself, which has AWS's client imported.
    FORK = "fork"
    # As a program of its own.
    EXEC = "exec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What boto3 inside signs with."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """One execution environment as its runtime process sees it; paths are paths inside."""

    runtime_api_address: str
    log_stream: str
    credentials: Credentials
    # AWS_ENDPOINT_URL; None: not set.
    endpoint_url: str | None = None
    initialization_type: str = "on-demand"
    task_root: str = "/var/task"
    runtime_dir: str = RUNTIME_DIR
    lang_dir: str = LANG_DIR
    opt_dir: str = "/opt"


def start_mode(runtime: PreparedRuntime, customer: Mapping[str, str]) -> StartMode:
    """Tell whether init may fork the runtime process.

    Not unless it is Python, and not if the customer's variables need an interpreter that starts
    with them.
    """
    if runtime.family is not Family.PYTHON:
        return StartMode.EXEC
    for name in customer:
        if name in _READ_AT_START or name.startswith(_READ_AT_START_PREFIXES):
            return StartMode.EXEC
    return StartMode.FORK


def exec_argv(
    runtime: PreparedRuntime, config: FunctionConfig, around: Surroundings
) -> tuple[str, ...]:
    """The argument vector of the runtime process, behind the customer's wrapper if there is one."""
    customer = config.environment or {}
    program, *arguments = (path_inside(part, around) for part in runtime.argv)
    if runtime.family is Family.PROVIDED:
        # AWS's OS-only runtimes know no wrappers.
        return (program, *arguments)
    if runtime.family is Family.NODEJS:
        major = int(RUNTIMES[runtime.identifier].version)
        given = customer.get("NODE_OPTIONS", "")
        arguments = [*node_options.options(major, config.memory_mib, given), *arguments]
    wrapper = customer.get(WRAPPER_VARIABLE)
    return (*((path_inside(wrapper, around),) if wrapper else ()), program, *arguments)


def path_inside(path: str, around: Surroundings) -> str:
    """Where the sandbox has one of AWS's paths (the process driver has no root of its own)."""
    for root, actual in (
        (LANG_DIR, around.lang_dir),
        (RUNTIME_DIR, around.runtime_dir),
        ("/var/task", around.task_root),
        ("/opt", around.opt_dir),
    ):
        if path.startswith(f"{root}/"):
            return path.replace(root, actual, 1)
    return path


def environment(
    version: FunctionVersion,
    deployment: Deployment,
    scope: Scope,
    runtime: PreparedRuntime,
    around: Surroundings,
) -> dict[str, str]:
    """Compose the variables for one environment of `version` built from `deployment`.

    The customer's variables replace AWS's defaults and never the reserved ones, which the control
    plane refuses anyway.
    """
    customer = dict(deployment.config.environment or {})
    composed = _defaults(deployment, scope, runtime, around)
    composed |= customer
    composed |= _reserved(version, deployment, scope, runtime, around)
    if runtime.family is Family.PYTHON:
        composed["LD_LIBRARY_PATH"] = _library_path(composed["LD_LIBRARY_PATH"], around)
    return composed


def extension_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Of the runtime process's variables those that external extensions get."""
    return {
        name: value
        for name, value in variables.items()
        if name not in _RUNTIME_ONLY and not name.startswith(("_", "AWS_XRAY_"))
    }


def _defaults(
    deployment: Deployment, scope: Scope, runtime: PreparedRuntime, around: Surroundings
) -> dict[str, str]:
    """What AWS sets and a customer may override."""
    opt, task, runtime_dir = around.opt_dir, around.task_root, around.runtime_dir
    # OS-only runtimes have no interpreter.
    lang = None if runtime.family is Family.PROVIDED else around.lang_dir
    variables = {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": f"{f'{lang}/bin:' if lang else ''}/usr/local/bin:/usr/bin/:/bin:{opt}/bin",
        "LD_LIBRARY_PATH": f"{f'{lang}/lib:' if lang else ''}/lib64:/usr/lib64:{runtime_dir}:"
        f"{runtime_dir}/lib:{task}:{task}/lib:{opt}/lib",
        "AWS_DEFAULT_REGION": scope.region,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        # DEVIATION: AWS's daemon is at a link-local address; lambd has none yet, and loopback
        # keeps the X-Ray SDK's datagrams inside the environment.
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
        "PWD": task,
        "SHLVL": "0",
    }
    if runtime.family is Family.NODEJS:
        variables["NODE_PATH"] = node_options.module_path(
            int(RUNTIMES[runtime.identifier].version),
            opt_dir=opt,
            runtime_dir=runtime_dir,
            task_root=task,
        )
    if runtime.family is Family.PYTHON:
        # What Python itself sets where AWS's images lack the locale of LANG (PEP 538).
        variables["LC_CTYPE"] = "C.UTF-8"
    logging = deployment.config.logging
    if logging.log_format == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = logging.application_log_level or "INFO"
    if around.endpoint_url is not None:
        # DEVIATION: AWS sets none; it is how boto3 inside finds this platform.
        variables["AWS_ENDPOINT_URL"] = around.endpoint_url
    return variables


def _reserved(
    version: FunctionVersion,
    deployment: Deployment,
    scope: Scope,
    runtime: PreparedRuntime,
    around: Surroundings,
) -> dict[str, str]:
    """What a customer cannot change."""
    config = deployment.config
    variables = {
        "_HANDLER": config.handler or "",
        "AWS_REGION": scope.region,
        "AWS_LAMBDA_FUNCTION_NAME": version.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mib),
        "AWS_LAMBDA_INITIALIZATION_TYPE": around.initialization_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": config.logging.log_group or f"/aws/lambda/{version.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": around.log_stream,
        "AWS_LAMBDA_RUNTIME_API": around.runtime_api_address,
        "AWS_ACCESS_KEY_ID": around.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": around.credentials.secret_access_key,
        "LAMBDA_TASK_ROOT": around.task_root,
        "LAMBDA_RUNTIME_DIR": around.runtime_dir,
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
    }
    if runtime.family is not Family.PROVIDED:
        variables["AWS_EXECUTION_ENV"] = runtime.execution_env
        variables["_LAMBDA_TELEMETRY_LOG_FD"] = str(TELEMETRY_LOG_FD)
    if around.credentials.session_token is not None:
        variables["AWS_SESSION_TOKEN"] = around.credentials.session_token
    if around.opt_dir != "/opt" and runtime.family is Family.PYTHON:
        # Where the process driver unpacked the layers; bootstrap.py takes it out again.
        variables["_LAMBD_OPT"] = around.opt_dir
    return variables


def _library_path(value: str, around: Surroundings) -> str:
    # DEVIATION: on AWS the interpreter finds its own library without this variable; one that
    # this machine's owner built may not, and would not start with a customer's value.
    own = f"{around.lang_dir}/lib"
    return value if own in value.split(":") else f"{value}:{own}".lstrip(":")
