"""From a function version to a started environment: mounts, variables, log stream, sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lambd.environments.environment import EnvironmentOwner, ExecutionEnvironment
from lambd.environments.function_log import FunctionLog, LogSink
from lambd.environments.init_channel import Program
from lambd.environments.preparation import PreparationFailedError, PreparedDeployment, Preparer
from lambd.environments.processes import RUNTIME, Launch
from lambd.environments.stream_limits import StreamLimits
from lambd.http.busy_poll import BusyPoll
from lambd.http.exchanges import Application
from lambd.http.server import HttpServer
from lambd.model.arns import Scope
from lambd.model.errors import SandboxError
from lambd.model.functions import Deployment
from lambd.model.hosting import HostedVersion
from lambd.runtimeapi.extensions import FunctionFacts
from lambd.runtimeapi.session import RESPONSE_MODE
from lambd.runtimes.prepared_runtime import LANG_DIR, RUNTIME_DIR
from lambd.runtimes.variables import (
    Credentials,
    StartMode,
    Surroundings,
    environment,
    exec_argv,
    extension_environment,
    path_inside,
    start_mode,
)
from lambd.sandbox.descriptors import PLATFORM_CONNECTIONS, RUNTIME_CONNECTIONS
from lambd.sandbox.driver import Mount, Sandbox, SandboxDriver, SandboxSpec
from lambd.telemetry.lines import log_stream_name
from lambd.trees import resolve_inside

_TASK_ROOT = "/var/task"
_LAYERS_ROOT = "/opt"
_EXTENSIONS = "extensions"
# A layer that has it turns external extensions off.
_EXTENSIONS_OFF = "disable-extensions-jwigqn8j"
# Connections that code inside may hold to its Runtime API, and to the platform's own.
_MAX_RUNTIME_CONNECTIONS = 32
_MAX_PLATFORM_CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterOptions:
    """What every environment of this platform shares."""

    credentials: Credentials
    # AWS_ENDPOINT_URL: None for the platform itself, "" for none at all.
    endpoint_url: str | None
    response_limit_bytes: int
    stream_limits: StreamLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the functions of one account's region have their code and their logs."""

    preparer: Preparer
    logs: LogSink


class Starter:
    """Implements `environment.EnvironmentStarter`."""

    def __init__(
        self,
        *,
        driver: SandboxDriver,
        places: Callable[[Scope], Place],
        settings: StarterOptions,
        platform: Callable[[], Application],
        busy_poll: BusyPoll | None = None,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Args:
        has_room: whether code inside may have a connection beyond those promised to it.
        """
        self._driver = driver
        self._places = places
        self._settings = settings
        self._platform = platform
        self._busy_poll = busy_poll
        self._has_room = has_room

    async def __call__(
        self, hosted: HostedVersion, owner: EnvironmentOwner, *, provisioned: bool = False
    ) -> ExecutionEnvironment:
        """Start a sandbox and serve its sockets.

        Raises:
            SandboxError: it could not be started, or the deployment can no longer be prepared.
        """
        try:
            prepared = await self._places(hosted.scope).preparer.prepare(hosted.deployment)
        except PreparationFailedError as error:
            raise SandboxError(error.message) from error
        sandbox = await self._driver.start(_spec(hosted.deployment, prepared))
        try:
            return await self._assemble(hosted, prepared, sandbox, owner, provisioned=provisioned)
        except BaseException:
            await sandbox.close()
            raise

    async def _assemble(
        self,
        hosted: HostedVersion,
        prepared: PreparedDeployment,
        sandbox: Sandbox,
        owner: EnvironmentOwner,
        *,
        provisioned: bool,
    ) -> ExecutionEnvironment:
        version = hosted.version
        stream = log_stream_name(
            version.name,
            version.version,
            hosted.deployment.config.logging.log_group,
            datetime.now(UTC),  # noqa: TID251 - an edge
            os.urandom(16).hex(),
        )
        log = FunctionLog(
            store=self._places(hosted.scope).logs,
            version=version,
            stream=stream,
            log_fd=sandbox.log_fd,
            runtime_version=prepared.runtime.version_string,
            runtime_version_arn=prepared.runtime.version_arn(hosted.scope),
        )
        made = ExecutionEnvironment(
            version=version,
            sandbox=sandbox,
            launch=self._launch(hosted, prepared, sandbox, stream, provisioned=provisioned),
            log=log,
            owner=owner,
            response_limit_bytes=self._settings.response_limit_bytes,
            stream_limits=self._settings.stream_limits,
            is_provisioned=provisioned,
        )
        runtime_server = HttpServer(
            made.session,
            max_connections=_MAX_RUNTIME_CONNECTIONS,
            stream_marker=RESPONSE_MODE,
            busy_poll=self._busy_poll,
            has_room=self._has_room,
            promised_connections=RUNTIME_CONNECTIONS,
        )
        await runtime_server.listen(sandbox.runtime_api_socket)
        made.servers.append(runtime_server)
        if sandbox.platform_socket is not None:
            platform_server = HttpServer(
                self._platform(),
                max_connections=_MAX_PLATFORM_CONNECTIONS,
                has_room=self._has_room,
                promised_connections=PLATFORM_CONNECTIONS,
            )
            await platform_server.listen(sandbox.platform_socket)
            made.servers.append(platform_server)
        return made

    def _launch(
        self,
        hosted: HostedVersion,
        prepared: PreparedDeployment,
        sandbox: Sandbox,
        stream: str,
        *,
        provisioned: bool,
    ) -> Launch:
        version, deployment, scope = hosted.version, hosted.deployment, hosted.scope
        runtime, config = prepared.runtime, deployment.config
        endpoint_url = self._settings.endpoint_url
        if endpoint_url is None:
            endpoint_url = f"http://{sandbox.platform_address}"
        around = Surroundings(
            runtime_api_address=sandbox.runtime_api_address,
            log_stream=stream,
            credentials=self._settings.credentials,
            endpoint_url=endpoint_url or None,
            initialization_type="provisioned-concurrency" if provisioned else "on-demand",
            task_root=sandbox.path_inside(_TASK_ROOT),
            runtime_dir=sandbox.path_inside(RUNTIME_DIR),
            lang_dir=sandbox.path_inside(LANG_DIR),
            opt_dir=sandbox.path_inside(_LAYERS_ROOT),
        )
        variables = environment(version, deployment, scope, runtime, around)
        return Launch(
            runtime=Program(
                name=RUNTIME,
                mode=start_mode(runtime, config.environment or {}),
                argv=exec_argv(runtime, config, around),
                env=variables,
                cwd=around.task_root,
                programs=tuple(path_inside(program, around) for program in runtime.programs),
            ),
            extensions=tuple(
                Program(
                    name=name,
                    mode=StartMode.EXEC,
                    argv=(path_inside(f"{_LAYERS_ROOT}/{_EXTENSIONS}/{name}", around),),
                    env=extension_environment(variables),
                    cwd="/",
                )
                for name in _external_extensions(prepared.opt_dir)
            ),
            function=FunctionFacts(
                name=version.name,
                version=version.version,
                handler=config.handler or "",
                account_id=scope.account_id,
            ),
        )


def _external_extensions(opt_dir: Path | None) -> list[str]:
    """Names of the programs that a function's layers have in /opt/extensions."""
    if opt_dir is None or resolve_inside(opt_dir, _EXTENSIONS_OFF, _LAYERS_ROOT) is not None:
        return []
    directory = resolve_inside(opt_dir, _EXTENSIONS, _LAYERS_ROOT)
    if directory is None or not directory.is_dir():
        return []
    with os.scandir(directory) as entries:
        return sorted(each.name for each in entries if not each.is_dir(follow_symlinks=False))


def _spec(deployment: Deployment, prepared: PreparedDeployment) -> SandboxSpec:
    runtime = prepared.runtime
    opt = () if prepared.opt_dir is None else (Mount(source=prepared.opt_dir, target=_LAYERS_ROOT),)
    return SandboxSpec(
        id=f"env-{os.urandom(8).hex()}",
        init_argv=runtime.init_argv,
        init_environment=runtime.init_environment,
        mounts=(
            Mount(source=prepared.code_dir, target=_TASK_ROOT),
            Mount(source=runtime.runtime_dir, target=RUNTIME_DIR),
            Mount(source=runtime.interpreter_root, target=LANG_DIR),
            *opt,
            *(Mount(source=source, target=target) for source, target in runtime.overlays),
        ),
        memory_mib=deployment.config.memory_mib,
        ephemeral_storage_mib=deployment.config.ephemeral_storage_mib,
    )
