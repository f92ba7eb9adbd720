"""The OCI bundle's config.json for one sandbox: what the OCI runtime is asked to isolate, and how.

Pure: values in, a dict out. Specification: opencontainers/runtime-spec 1.0.2, config.md and
config-linux.md. Everything a sandbox may do is decided here, in `seccomp.json` and in `network`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambd.model.limits import OPEN_FILES
from lambd.sandbox.driver import SandboxSpec
from lambd.sandbox.rootfs import GROUP_ID, USER_ID

# Locked memory of a process, AWS's (runtime.md section 9).
_MEMLOCK_BYTES = 65_536
_READ_ONLY = ["ro", "nosuid", "nodev"]
_MASKED_PATHS = [
    f"/proc/{name}"
    for name in (
        "acpi",
        "asound",
        "interrupts",
        "kcore",
        "keys",
        "kmsg",
        "latency_stats",
        "sched_debug",
        "scsi",
        "slabinfo",
        "timer_list",
        "timer_stats",
    )
]
_READ_ONLY_PATHS = [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleParts:
    """What the driver has prepared for one sandbox."""

    rootfs: Path
    scratch: Path | None
    # A path that names the network namespace; None leaves the caller's.
    network_namespace: str | None
    # For OCI runtimes that make the control group themselves; None: they start in it.
    cgroup_path: str | None
    seccomp: Mapping[str, object]
    # Descriptors a process may have: fewer than AWS's number where the host's hard limit is lower,
    # which not everybody may exceed.
    open_files: int = OPEN_FILES


def bundle_config(spec: SandboxSpec, parts: BundleParts) -> dict[str, object]:
    """The whole config.json."""
    group = {}
    if parts.cgroup_path is not None:
        # Limits are set on the group from outside, before anything runs in it.
        group = {"cgroupsPath": parts.cgroup_path}
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(parts.rootfs), "readonly": True},
        "hostname": "sandbox",
        "process": _process(spec, parts.open_files),
        "mounts": _mounts(spec, parts),
        "linux": {
            "namespaces": _namespaces(parts.network_namespace),
            **group,
            "seccomp": parts.seccomp,
            "maskedPaths": _MASKED_PATHS,
            "readonlyPaths": _READ_ONLY_PATHS,
            "rootfsPropagation": "private",
        },
    }


def _process(spec: SandboxSpec, open_files: int) -> dict[str, object]:
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
            {"type": "RLIMIT_NOFILE", "hard": open_files, "soft": open_files},
            {"type": "RLIMIT_MEMLOCK", "hard": _MEMLOCK_BYTES, "soft": _MEMLOCK_BYTES},
            # DEVIATION: AWS allows core files of 10 GiB, which nobody can fetch; here there are
            # none. RLIMIT_NPROC, 742 on AWS, is not set, since the kernel counts the processes of a
            # user id and all sandboxes have one: their control groups hold each to 1,024.
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
