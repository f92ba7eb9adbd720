"""The OCI runtimes that can be chosen, and in what they differ: flags, groups, helpers, how to get them.

The bundle is the same for all (`bundle`), so are the descriptors (`prepared`): 0 /dev/null, 1 to 3
the log, 4 the control socket. gVisor's runsc (flags: runsc/config/flags.go) puts a kernel of its
own between the code and ours. Of its two kinds of network it has to take the host's, in the
namespace that is given to it, since lambd listens in there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Descriptors handed on beside 0, 1 and 2: telemetry logs and control.
_LOG_FD, _CONTROL_FD = 3, 4
# The build of gVisor that the tests have run with: what Go makes of its `go` branch.
_GVISOR = "v0.0.0-20260905035102-160fafc42237"
# Measured: 20 MiB after the start; two tasks for a process inside, and some twenty of gVisor's own.
_GVISOR_OVERHEAD_MIB, _GVISOR_HOST_TASKS = 32, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OciCall:
    """What one call of an OCI runtime is about."""

    program: str
    # What it says about its flags, for those that not every version has.
    flags: str = ""
    # Directory for the runtime's own notes on this one sandbox.
    state_dir: str
    bundle_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class OciRuntime:
    """One of them."""

    name: str
    # The command that installs it (Debian's, where Debian has it).
    install: str
    # Whether it can be told to leave control groups alone, and starts in ours. Others make them.
    joins_group: bool
    # Whether a kernel of its own serves the code inside. Its processes are in the sandbox's group,
    # and some beside init become our children.
    has_own_kernel: bool = False
    # What those take of the group's memory, MiB.
    overhead_mib: int = 0
    # How many processes and threads of the host stand behind one inside.
    host_tasks: int = 1
    # Names of processes, beside its own, that become our children when a sandbox ends.
    orphans: tuple[str, ...] = ()
    # The command that lists its flags, where that has to be asked.
    list_flags: str | None = None
    # Everything after the program's path.
    arguments: Callable[[OciCall], list[str]]

    def command(self, call: OciCall) -> list[str]:
        """The command line that starts a bundle's sandbox and then ends."""
        return [call.program, *self.arguments(call)]

    def flags_of(self, program: str) -> str:
        """What the program says about its flags, if that matters; blocks."""
        if self.list_flags is None:
            return ""
        done = subprocess.run(  # noqa: S603 - our own argument vector
            [program, self.list_flags], capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout + done.stderr


def _run(call: OciCall, *options: str) -> list[str]:
    run = ["run", "--detach", "--pid-file", str(call.bundle_dir / "pid"), *options]
    return [*run, "--bundle", str(call.bundle_dir), call.bundle_dir.name]


def _common(call: OciCall) -> list[str]:
    return ["--root", call.state_dir, "--log", str(call.bundle_dir / "runtime.log")]


def _crun(call: OciCall) -> list[str]:
    return [*_common(call), "--cgroup-manager", "disabled", *_run(call, "--preserve-fds", "2")]


def _runc(call: OciCall) -> list[str]:
    return [*_common(call), *_run(call, "--preserve-fds", "2")]


def _runsc(call: OciCall) -> list[str]:
    options = [
        "--ignore-cgroups",
        "--network=host",
        "--overlay2=none",
        "--oci-seccomp",
    ]
    if "gofer-network-namespace" in call.flags:
        # For the file server; the default would leave a mount behind. Older ones know no other way.
        options.append("--gofer-network-namespace=new")
    passed = [f"--pass-fd={fd}:{fd}" for fd in (_LOG_FD, _CONTROL_FD)]
    return [*_common(call), *options, *_run(call, *passed)]


OCI_RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        OciRuntime(
            name="crun",
            install="apt-get install --yes crun",
            joins_group=True,
            arguments=_crun,
        ),
        OciRuntime(
            name="runc",
            install="apt-get install --yes runc",
            joins_group=False,
            arguments=_runc,
        ),
        OciRuntime(
            name="runsc",
            install=(
                "GOBIN=/usr/local/bin CGO_ENABLED=0 go install"
                f" -ldflags='-s -X gvisor.dev/gvisor/runsc/version.version={_GVISOR}'"
                f" gvisor.dev/gvisor/runsc@{_GVISOR}"
            ),
            joins_group=True,
            has_own_kernel=True,
            overhead_mib=_GVISOR_OVERHEAD_MIB,
            host_tasks=_GVISOR_HOST_TASKS,
            # Processes of the host that the code inside runs in.
            orphans=("exe",),
            list_flags="flags",
            arguments=_runsc,
        ),
    )
}
