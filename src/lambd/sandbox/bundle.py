"""The OCI bundle's config.json for one sandbox: what the OCI runtime is asked to isolate, and how.

Pure: values in, a dict out. Specification: opencontainers/runtime-spec 1.0.2, config.md and
config-linux.md. Everything a sandbox may do is decided here, in `seccomp.json` and in `network`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambd.model.limits import MEMORY_MIB_PER_VCPU, MIB, OPEN_FILES, PROCESSES
from lambd.sandbox.driver import SandboxSpec
from lambd.sandbox.rootfs import GROUP_ID, USER_ID

_CPU_PERIOD_US = 100_000
# The kernel refuses a smaller quota.
_CPU_QUOTA_MIN_US = 1000
_READ_ONLY = ["ro", "nosuid", "nodev"]
_MASKED_PATHS = (
    "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats"
    " /proc/sched_debug /proc/scsi /proc/slabinfo /proc/timer_list /proc/timer_stats"
).split()
_READ_ONLY_PATHS = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleParts:
    """What the driver has prepared for one sandbox."""

    rootfs: Path
    scratch: Path
    # A path that names the network namespace; None leaves the caller's.
    network_namespace: str | None
    cgroup_path: str
    # Limit memory and swap together (not every v1 host can).
    limit_swap: bool
    seccomp: Mapping[str, object]


def cpu_quota_us(memory_mib: int) -> int:
    """Microseconds of processor time in each period: one vCPU for each 1,769 MiB."""
    return max(_CPU_QUOTA_MIN_US, memory_mib * _CPU_PERIOD_US // MEMORY_MIB_PER_VCPU)


def bundle_config(spec: SandboxSpec, parts: BundleParts) -> dict[str, object]:
    """The whole config.json."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(parts.rootfs), "readonly": True},
        "hostname": "sandbox",
        "process": _process(spec),
        "mounts": _mounts(spec, parts),
        "linux": {
            "namespaces": _namespaces(parts.network_namespace),
            "cgroupsPath": parts.cgroup_path,
            "resources": _resources(spec, parts.limit_swap),
            "seccomp": parts.seccomp,
            "maskedPaths": _MASKED_PATHS,
            "readonlyPaths": _READ_ONLY_PATHS,
            "rootfsPropagation": "private",
        },
    }


def _process(spec: SandboxSpec) -> dict[str, object]:
    return {
        "terminal": False,
        "user": {"uid": USER_ID, "gid": GROUP_ID},
        "args": list(spec.init_argv),
        "env": [f"{name}={value}" for name, value in spec.init_environment.items()],
        "cwd": "/",
        "noNewPrivileges": True,
        "capabilities": {
            kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")
        },
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "hard": OPEN_FILES, "soft": OPEN_FILES},
            {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
        ],
    }


def _mounts(spec: SandboxSpec, parts: BundleParts) -> list[dict[str, object]]:
    device_options = ["nosuid", "noexec", "mode=755", "size=64k"]
    return [
        _mount("proc", "proc", "/proc", ["nosuid", "noexec", "nodev"]),
        _mount("tmpfs", "tmpfs", "/dev", device_options),
        _mount("bind", str(parts.scratch), "/tmp", ["bind", "rw", "nosuid", "nodev"]),  # noqa: S108
        *(
            _mount("bind", str(mount.source), mount.target, ["rbind", "rprivate", *_READ_ONLY])
            for mount in spec.mounts
        ),
    ]


def _mount(kind: str, source: str, target: str, options: list[str]) -> dict[str, object]:
    return {"destination": target, "type": kind, "source": source, "options": options}


def _namespaces(network: str | None) -> list[dict[str, str]]:
    kinds = [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "cgroup")]
    return kinds if network is None else [*kinds, {"type": "network", "path": network}]


def _resources(spec: SandboxSpec, limit_swap: bool) -> dict[str, object]:
    memory_bytes = spec.memory_mib * MIB
    memory = {"limit": memory_bytes}
    if limit_swap:
        # Memory and swap together: no swap on top of the limit.
        memory["swap"] = memory_bytes
    return {
        "memory": memory,
        "cpu": {"quota": cpu_quota_us(spec.memory_mib), "period": _CPU_PERIOD_US},
        "pids": {"limit": PROCESSES},
    }
