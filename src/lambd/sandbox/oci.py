"""The OCI driver: sandboxes by crun, runc or runsc from a generated bundle.

What is inside is decided by `bundle`, `rootfs`, `seccomp.json`, `scratch` and `network`; this
module puts the parts together, calls the OCI runtime and takes everything apart again. The runtime
ends once the sandbox's init runs; init is then our child (we are child subreaper) and is watched
and killed directly, and its traces are removed without calling the runtime once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from lambd.model.errors import SandboxError
from lambd.model.limits import INIT_TIMEOUT_S, MIB, OPEN_FILES, PROCESSES
from lambd.sandbox import bundle, cgroups, instances, namespaces, rootfs, scratch, seccomp, syscalls
from lambd.sandbox.descriptors import hard_limit
from lambd.sandbox.dns import Resolver, host_resolvers
from lambd.sandbox.driver import Sandbox, SandboxExit, SandboxSpec
from lambd.sandbox.network import (
    LOOPBACK,
    RUNTIME_API_HOST,
    RUNTIME_API_PORT,
    NetworkFactory,
    SandboxNetwork,
)
from lambd.sandbox.oci_runtime import OCI_RUNTIMES, OciCall
from lambd.sandbox.spares import Spare, SpareOptions, SparePool
from lambd.sandbox.spawn import Child, adopt_orphans, children_of, is_doomed, is_own_child

NETWORKS = ("masquerade", "none")
# How long the OCI runtime may take to start one sandbox, seconds.
_START_TIMEOUT_S = 30.0
# Blocking system calls (mounts, removal) of that many sandboxes at once.
_WORKERS = 8
_ID_PATTERN = re.compile(r"[a-z0-9-]{1,40}")
# Not the PATH of whoever started us: programs run as root.
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ERROR_TEXT_BYTES = 2000

_log = structlog.get_logger(__name__)


def find_program(name: str) -> str | None:
    """Path of a program in the system's directories."""
    return shutil.which(name, path=_SEARCH_PATH)


class _KilledError(SandboxError):
    """The launcher or the OCI runtime was killed before the sandbox was up."""


@dataclass(slots=True, kw_only=True)
class _Holdings:
    """What one sandbox holds on the host; filled step by step, released in any state."""

    spec: SandboxSpec
    parts: Spare
    child: Child | None = None
    # Other processes of the OCI runtime that became our children.
    helpers: tuple[Child, ...] = ()
    # It was ended because its memory had run out.
    is_out_of_memory: bool = False
    stop_oom: Callable[[], None] = field(default=lambda: None)
    stop_dns: Callable[[], None] = field(default=lambda: None)
    # Applies the limit on processor time unless `limit_cpu` has been called.
    cpu_timer: asyncio.TimerHandle | None = None


class OciSandbox:
    """One sandbox started by an OCI runtime; see the `Sandbox` protocol."""

    def __init__(
        self,
        driver: OciDriver,
        holdings: _Holdings,
        child: Child,
        group: cgroups.SandboxGroup,
    ) -> None:
        self._driver = driver
        self._holdings = holdings
        self._network = holdings.parts.network
        self._control = holdings.parts.control
        self._log_fd = holdings.parts.log_fd
        self._child = child
        self._group = group
        self._closing: asyncio.Future[None] | None = None
        # What was last read: the answers after `close`.
        self._peak_bytes = self._oom_kills = 0
        loop = asyncio.get_running_loop()
        if driver.has_cpu_quota:
            holdings.cpu_timer = loop.call_later(INIT_TIMEOUT_S, self.limit_cpu)

    @property
    def id(self) -> str:
        """The id from the spec."""
        return self._holdings.spec.id

    @property
    def control(self) -> socket.socket:
        """Our end of the control socket."""
        return self._control

    @property
    def log_fd(self) -> int:
        """Read end of the log pipe."""
        return self._log_fd

    @property
    def runtime_api_socket(self) -> socket.socket:
        """Listening inside the sandbox's network namespace."""
        return self._network.runtime_api

    @property
    def runtime_api_address(self) -> str:
        """`host:port` as seen inside."""
        return f"{RUNTIME_API_HOST}:{RUNTIME_API_PORT}"

    @property
    def platform_socket(self) -> socket.socket | None:
        """Listening inside the sandbox's network namespace."""
        return self._network.platform

    @property
    def platform_address(self) -> str:
        """`host:port` as seen inside."""
        return f"{LOOPBACK}:{self._driver.platform_port}"

    @property
    def pid(self) -> int:
        """Process id of init on the host."""
        return self._child.pid

    def path_inside(self, target: str) -> str:
        """The sandbox has its own root: paths are what they are."""
        return target

    def freeze(self) -> None:
        """Stop every process inside."""
        self._set_frozen(frozen=True)

    def thaw(self) -> None:
        """Let them run again."""
        self._set_frozen(frozen=False)

    def _set_frozen(self, *, frozen: bool) -> None:
        if self._closing is not None:
            return
        try:
            self._group.set_frozen(frozen)
        except OSError as exc:
            raise SandboxError(f"sandbox {self.id} cannot be frozen or thawed: {exc}") from exc

    def is_alive(self) -> bool:
        """Whether init and its children live, frozen or not; reads a file of /proc for each."""
        if self._closing is not None or not self._child.is_running:
            return False
        pid = self._child.pid
        return not any(map(is_doomed, (pid, *children_of(pid))))

    def limit_cpu(self) -> None:
        """Hold it to its share of processor time from now on, where that is a hard limit."""
        if self._closing is not None or not self._driver.has_cpu_quota:
            return
        if self._holdings.cpu_timer is not None:
            self._holdings.cpu_timer.cancel()
        try:
            self._group.set_cpu_quota(cgroups.cpu_quota_us(self._holdings.spec.memory_mib))
        except OSError as exc:
            raise SandboxError(f"sandbox {self.id}: no limit on processor time: {exc}") from exc

    def memory_peak_bytes(self) -> int:
        """Highest memory use so far, page cache included."""
        if self._closing is None:
            # The OCI runtime's own part is on top of the limit, and not the function's.
            limit_bytes = self._holdings.spec.memory_mib * MIB
            self._peak_bytes = min(self._group.memory_peak_bytes(), limit_bytes)
        return self._peak_bytes

    def oom_kills(self) -> int:
        """Processes killed for want of memory."""
        if self._closing is None:
            # The kernel may not have come to it, or have killed others than init.
            self._oom_kills = max(self._group.oom_kills(), self._holdings.is_out_of_memory)
        return self._oom_kills

    async def wait_exit(self) -> SandboxExit:
        """Wait until init has ended."""
        return await self._child.wait()

    async def close(self) -> None:
        """Kill everything inside and release what is held; idempotent."""
        if self._closing is not None:
            await asyncio.shield(self._closing)
            return
        self.memory_peak_bytes()
        self.oom_kills()
        self._closing = asyncio.get_running_loop().create_future()
        try:
            await self._driver.release(self._holdings)
        finally:
            self._closing.set_result(None)


class OciDriver:
    """Starts sandboxes with an OCI runtime; see the `SandboxDriver` protocol."""

    def __init__(  # noqa: PLR0913 - what an operator sets, once
        self,
        runtime: str,
        run_dir: Path,
        platform_port: int,
        network: str,
        network_cidr: str,
        *,
        cpu: str = "weight",
        memory_mib: int | None = None,
        resolvers: Sequence[tuple[str, int]] | None = None,
        host_ports: Sequence[int] = (),
    ) -> None:
        """Args:
        runtime: `crun`, `runc` or `runsc`.
        run_dir: a directory of ours, on a disk: images of /tmp are made in it.
        platform_port: where the platform's API listens inside.
        network: `masquerade` or `none`.
        network_cidr: IPv4 range for sandboxes' addresses, shared by all lambds of the host.
        cpu: `weight`: processor time in proportion to memory when sandboxes compete for it;
            `quota`: never more than that proportion.
        memory_mib: what all sandboxes may use together; None: as much as their own limits allow.
        resolvers: name servers to relay to; None: the host's.
        host_ports: ports of the host that code inside may reach.
        """
        if platform_port in host_ports:
            raise SandboxError(
                f"host_ports: {platform_port} is the platform's own port, which functions have at"
                " AWS_ENDPOINT_URL"
            )
        self._host_ports = host_ports
        self.platform_port = platform_port
        self.has_cpu_quota = cpu == "quota"
        self._run_dir = run_dir
        self._memory_mib = memory_mib
        self._cidr = network_cidr if network == "masquerade" else None
        if runtime not in OCI_RUNTIMES:
            raise SandboxError(f"unknown OCI runtime {runtime!r}; known: {', '.join(OCI_RUNTIMES)}")
        self._runtime = OCI_RUNTIMES[runtime]
        if network not in NETWORKS:
            raise SandboxError(f"unknown network {network!r}; known: {', '.join(NETWORKS)}")
        self._resolver = Resolver(resolvers if resolvers is not None else host_resolvers())
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="lambd-sandbox")
        # Set by `open`.
        self._runtime_path = ""
        self._runtime_flags = ""
        self._state_fd = -1
        self._hierarchies: cgroups.Hierarchies
        self._instance: instances.Instance
        self._scratch: scratch.ScratchSpace
        self._network: NetworkFactory
        self._pool: SparePool
        self._rootfs: rootfs.RootFilesystem
        self._seccomp: dict[str, object] = {}

    @property
    def name(self) -> str:
        """The OCI runtime's name."""
        return self._runtime.name

    async def open(self) -> None:
        """Prepare the host and remove what a killed predecessor left behind."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._workers, self._open_host)
        nft = self._need("nft", "apt-get install --yes nftables") if self._cidr is not None else ""
        self._network = NetworkFactory(
            platform_port=self.platform_port,
            cidr=self._cidr,
            nft=nft,
            host_ports=self._host_ports,
        )
        await self._network.open()
        settings = SpareOptions(
            run_dir=self._run_dir,
            instance=self._instance.name,
            hierarchies=self._hierarchies,
            joins_group=self._runtime.joins_group,
            command=self._command,
            environment={"PATH": _SEARCH_PATH},
        )
        self._pool = SparePool(settings, self._network, self._scratch, self._workers)
        self._pool.refill()

    def _open_host(self) -> None:
        """The blocking part of `open`."""
        if not namespaces.has_private_mounts():
            raise SandboxError("the server has not entered a private mount namespace")
        self._runtime_path = self._need(self._runtime.name, self._runtime.install)
        self._runtime_flags = self._runtime.flags_of(self._runtime_path)
        self._hierarchies = cgroups.detect()
        try:
            self._seccomp = seccomp.seccomp_section(is_by_denial=self._runtime.has_own_kernel)
        except KeyError as exc:
            raise SandboxError(f"no seccomp profile for {exc}") from exc
        try:
            syscalls.set_child_subreaper()
            self._instance = instances.claim(self._hierarchies)
            if self._memory_mib is not None:
                cgroups.limit_parent(self._hierarchies, self._instance.name, self._memory_mib)
            self._clear_run_dir()
            self._rootfs = rootfs.assemble(self._run_dir / "rootfs")
        except OSError as exc:
            raise SandboxError(f"cannot prepare {self._run_dir} for sandboxes: {exc}") from exc
        self._scratch = self._scratch_space()

    def _clear_run_dir(self) -> None:
        self._run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._run_dir = self._run_dir.resolve()
        namespaces.unmount_below(self._run_dir)
        for name in ("rootfs", "oci", "bundles", "scratch"):
            directory = self._run_dir / name
            if directory.exists():
                shutil.rmtree(directory)
        for name in ("oci", "bundles", "scratch"):
            (self._run_dir / name).mkdir(mode=0o700)
        self._state_fd = os.open(self._run_dir / "oci", os.O_DIRECTORY | os.O_CLOEXEC)

    def _scratch_space(self) -> scratch.ScratchSpace:
        mkfs = find_program("mkfs.ext4")
        if mkfs is None or not scratch.has_loop_devices():
            mkfs = None
            _log.warning(
                "no loop devices or no mkfs.ext4: /tmp of functions is memory and counts as such",
                action="scratch-in-memory",
            )
        return scratch.ScratchSpace(self._run_dir / "scratch", mkfs=mkfs)

    def _need(self, program: str, install: str) -> str:
        path = find_program(program)
        if path is None:
            raise SandboxError(f"{program} is not installed: {install}")
        return path

    async def start(self, spec: SandboxSpec) -> Sandbox:
        """Start one sandbox; see the protocol."""
        self._check(spec)
        try:
            return await self._start_once(spec)
        except _KilledError as exc:
            # By whoever runs this machine, or its kernel: no fault of the sandbox's.
            _log.warning("start again", action="start-again", sandbox=spec.id, cause=exc.message)
            return await self._start_once(spec)

    async def _start_once(self, spec: SandboxSpec) -> OciSandbox:
        holdings = _Holdings(spec=spec, parts=await self._pool.acquire())
        try:
            return await self._start(holdings)
        except BaseException as exc:
            await self.release(holdings)
            if isinstance(exc, OSError):
                raise SandboxError(f"sandbox {spec.id} could not be started: {exc}") from exc
            raise

    def _check(self, spec: SandboxSpec) -> None:
        if _ID_PATTERN.fullmatch(spec.id) is None:
            raise SandboxError(f"not a sandbox id: {spec.id!r}")
        try:
            for mount in spec.mounts:
                self._rootfs.ensure_mount_point(mount.target)
        except (ValueError, OSError) as exc:
            raise SandboxError(f"sandbox {spec.id} cannot be mounted: {exc}") from exc

    async def _start(self, holdings: _Holdings) -> OciSandbox:
        parts, spec = holdings.parts, holdings.spec
        holdings.stop_dns = self._serve_names(parts.network)
        if parts.scratch_mib != spec.ephemeral_storage_mib:
            await self._replace_scratch(parts, spec.ephemeral_storage_mib)
        if parts.group is not None:
            self._set_limits(parts.group, spec)
        self._write_bundle(holdings)
        child = await self._run_runtime(holdings)
        if parts.group is None:
            parts.group = cgroups.SandboxGroup(self._hierarchies, parts.cgroup_path)
            self._set_limits(parts.group, spec)
        # The sandbox keeps its network namespace, and its sockets are open.
        parts.network.let_go_of_namespace()
        self._adopt_orphans()
        self._adopt_helpers(holdings)
        self._watch_memory(holdings, parts.group)
        await self._release_scratch(parts)
        _log.debug("sandbox started", action="sandbox-started", sandbox=spec.id, parts=parts.name)
        return OciSandbox(self, holdings, child, parts.group)

    def _serve_names(self, network: SandboxNetwork) -> Callable[[], None]:
        """Resolve names for a sandbox that has outbound network, until the function is called."""
        udp, tcp, link = network.dns_udp, network.dns_tcp, network.link
        if udp is None or tcp is None or link is None:
            return lambda: None
        return self._resolver.serve(udp, tcp, link.host_address)

    def _set_limits(self, group: cgroups.SandboxGroup, spec: SandboxSpec) -> None:
        group.set_limits(
            memory_mib=spec.memory_mib + self._runtime.overhead_mib,
            processes=PROCESSES * self._runtime.host_tasks,
        )

    def _watch_memory(self, holdings: _Holdings, group: cgroups.SandboxGroup) -> None:
        """See to it that exhausted memory ends the whole of a sandbox with a kernel of its own."""
        if not self._runtime.has_own_kernel or (event_fd := group.kill_all_or_tell()) is None:
            return

        def stop() -> None:
            loop.remove_reader(event_fd)

        def end() -> None:
            stop()
            holdings.is_out_of_memory = True
            if holdings.child is not None:
                holdings.child.send_signal(signal.SIGKILL)

        loop = asyncio.get_running_loop()
        loop.add_reader(event_fd, end)
        holdings.stop_oom = stop

    async def _replace_scratch(self, parts: Spare, size_mib: int) -> None:
        loop = asyncio.get_running_loop()
        await self._release_scratch(parts)
        parts.scratch_dir = await loop.run_in_executor(
            self._workers, self._scratch.mount, parts.name, size_mib
        )

    async def _release_scratch(self, parts: Spare) -> None:
        """Give up our own mount of /tmp."""
        if parts.scratch_dir is not None:
            directory, parts.scratch_dir = parts.scratch_dir, None
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._workers, self._scratch.release, directory)

    def _write_bundle(self, holdings: _Holdings) -> None:
        parts = holdings.parts
        config = bundle.bundle_config(
            holdings.spec,
            bundle.BundleParts(
                rootfs=self._rootfs.path,
                scratch=parts.scratch_dir,
                network_namespace=parts.network.namespace_path,
                cgroup_path=None if self._runtime.joins_group else parts.cgroup_path,
                seccomp=self._seccomp,
                open_files=min(OPEN_FILES, hard_limit()),
            ),
        )
        (parts.bundle_dir / "config.json").write_text(json.dumps(config))

    async def _run_runtime(self, holdings: _Holdings) -> Child:
        """Let the launcher become the OCI runtime, wait for its end, adopt init."""
        loop = asyncio.get_running_loop()
        parts = holdings.parts
        if (runtime := parts.launcher) is None:
            raise SandboxError(f"nobody watches the launcher of {parts.name}")
        try:
            with contextlib.suppress(BrokenPipeError):  # killed: its end tells how
                parts.open_gate()
            async with asyncio.timeout(_START_TIMEOUT_S):
                result = await runtime.wait()
        except TimeoutError as exc:
            raise SandboxError(f"{self.name} did not start {holdings.spec.id} in time") from exc
        finally:
            # In vain unless this wait was cut short.
            runtime.send_signal(signal.SIGKILL)
            pid_file = parts.bundle_dir / "pid"
            if pid_file.exists() and (text := pid_file.read_text()):
                with contextlib.suppress(ProcessLookupError):  # reaped by a runtime that gave up
                    holdings.child = Child(int(text), loop)
        if result.signal is not None:
            raise _KilledError(f"{self.name} was ended by {result} starting {holdings.spec.id}")
        if result != SandboxExit(status=0) or holdings.child is None:
            text = _tail(parts.bundle_dir / "runtime.log")
            raise SandboxError(f"{self.name} did not start {holdings.spec.id}: {text}")
        return holdings.child

    def _adopt_helpers(self, holdings: _Holdings) -> None:
        """Watch what the OCI runtime left us beside init, so that no zombie stays."""
        group, child = holdings.parts.group, holdings.child
        if self._runtime.has_own_kernel and group is not None and not holdings.helpers:
            loop = asyncio.get_running_loop()
            pids = [pid for pid in group.members() if is_own_child(pid)]
            holdings.helpers = tuple(
                Child(pid, loop) for pid in pids if child is None or pid != child.pid
            )

    def _command(self, bundle_dir: Path) -> list[str]:
        """The OCI runtime's command line for a bundle."""
        call = OciCall(
            program=self._runtime_path,
            flags=self._runtime_flags,
            # A short path: runsc makes a socket in it.
            state_dir=f"/proc/{os.getpid()}/fd/{self._state_fd}/{bundle_dir.name}",
            bundle_dir=bundle_dir,
        )
        return self._runtime.command(call)

    async def release(self, holdings: _Holdings) -> None:
        """Kill what runs and give everything back; for sandboxes of this driver only."""
        parts = holdings.parts
        if holdings.cpu_timer is not None:
            holdings.cpu_timer.cancel()
        # Of a start that failed half-way.
        self._adopt_helpers(holdings)
        await parts.end_launcher()
        children = [child for child in (holdings.child, *holdings.helpers) if child is not None]
        if children and parts.group is not None:
            with contextlib.suppress(OSError):  # the group goes with its last process
                parts.group.set_frozen(False)
        for child in children:
            child.send_signal(signal.SIGKILL)
            await child.wait()
        holdings.stop_oom()
        holdings.stop_dns()
        parts.close_descriptors()
        await self._release_scratch(parts)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._workers, self._pool.remove, parts)
        self._adopt_orphans()

    def _adopt_orphans(self) -> None:
        """Reap what the OCI runtime left to us: crun 1.8 forks a process and does not wait for it."""
        names = {Path(self._runtime_path).name, *self._runtime.orphans}
        adopt_orphans(names, asyncio.get_running_loop())

    async def close(self) -> None:
        """Release what `open` took; sandboxes have been closed before."""
        await self._pool.close()
        await self._network.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._workers, self._close_host)
        self._workers.shutdown()

    def _close_host(self) -> None:
        os.close(self._state_fd)
        self._rootfs.remove()
        instances.release(self._hierarchies, self._instance)
        for name in ("oci", "bundles", "scratch"):
            shutil.rmtree(self._run_dir / name)


def _tail(path: Path) -> str:
    """The end of a text file that may not exist."""
    if not path.exists():
        return "it gave no reason"
    return path.read_text(errors="replace").strip()[-_ERROR_TEXT_BYTES:] or "it gave no reason"
