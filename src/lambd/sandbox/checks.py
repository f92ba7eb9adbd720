"""What this machine offers for isolation, for `lambd doctor`: looked at, never changed.

A check says whether a thing is usable, what was seen, and the command that mends it (Debian's).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lambd.model.errors import SandboxError
from lambd.sandbox import cgroups, descriptors, scratch
from lambd.sandbox.oci import find_program
from lambd.sandbox.oci_runtime import OCI_RUNTIMES, OciRuntime

_VERSION_TIMEOUT_S = 10
# pidfds for waitid (5.4), LOOP_CONFIGURE (5.8).
_OLDEST_KERNEL = (5, 8)
# Some five hundred environments.
_FEW_DESCRIPTORS = 16_384
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_CHROOT": 18, "CAP_SETUID": 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    usable: bool
    detail: str
    # None: nothing to do, or nothing that a command could do.
    fix: str | None = None


def all_checks() -> list[Check]:
    """Everything below, in the order in which an administrator would go about it."""
    return [
        *(check_oci_runtime(runtime) for runtime in OCI_RUNTIMES.values()),
        check_privileges(),
        check_kernel(),
        check_control_groups(),
        check_descriptors(),
        check_loop_devices(),
        check_network(),
    ]


def check_oci_runtime(runtime: OciRuntime) -> Check:
    """Whether an OCI runtime is installed and tells its version."""
    name, fix = runtime.name, runtime.install
    path = find_program(name)
    if path is None:
        return Check(name=name, usable=False, detail="not installed", fix=fix)
    try:
        done = subprocess.run(  # noqa: S603 - a program found in the system's directories
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        return Check(name=name, usable=False, detail=f"{path} does not run: {exc}", fix=fix)
    version = done.stdout.partition("\n")[0].strip()
    return Check(name=name, usable=True, detail=f"{version} ({path})")


def check_privileges(status: Path = Path("/proc/self/status")) -> Check:
    """Whether we hold the capabilities that namespaces, mounts and networks take."""
    held = effective_capabilities(status.read_text())
    missing = [name for name, bit in _CAPABILITIES.items() if not held >> bit & 1]
    if missing:
        detail = f"missing {', '.join(missing)}: sandboxes need root"
        return Check(name="privileges", usable=False, detail=detail, fix="sudo lambd serve")
    return Check(name="privileges", usable=True, detail="root's capabilities")


def effective_capabilities(status: str) -> int:
    """The bit set on the CapEff line of /proc/<pid>/status."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def check_kernel(release: str | None = None) -> Check:
    """Whether the kernel has what the drivers call."""
    release = release or os.uname().release
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < _OLDEST_KERNEL:
        wanted = ".".join(map(str, _OLDEST_KERNEL))
        return Check(name="kernel", usable=False, detail=f"Linux {release}, needed is {wanted}")
    return Check(name="kernel", usable=True, detail=f"Linux {release}")


def check_control_groups(root: Path = cgroups.CGROUP_ROOT) -> Check:
    """Which generation of control groups there is."""
    try:
        found = cgroups.detect(root)
    except SandboxError as exc:
        return Check(
            name="control groups",
            usable=False,
            detail=exc.message,
            fix="mount -t cgroup2 none /sys/fs/cgroup",
        )
    detail = f"version {found.version}"
    if found.hybrid:
        detail += ", with a version 2 hierarchy beside it (hidden from crun)"
    return Check(name="control groups", usable=True, detail=detail)


def check_descriptors(limit: int | None = None) -> Check:
    """Whether the hard limit on open files is no narrower than memory is."""
    limit = descriptors.hard_limit() if limit is None else limit
    detail = f"hard limit {limit}: {descriptors.environments_that_fit(limit)} environments"
    if limit < _FEW_DESCRIPTORS:
        fix = "prlimit --pid $$ --nofile=524288:524288  # of a service: LimitNOFILE=524288"
        return Check(name="open files", usable=False, detail=detail, fix=fix)
    return Check(name="open files", usable=True, detail=detail)


def check_loop_devices() -> Check:
    """Whether /tmp can be a file system of its own rather than memory."""
    if not scratch.has_loop_devices():
        return Check(
            name="loop devices",
            usable=False,
            detail="none: /tmp of functions is memory and counts as such",
            fix="modprobe loop",
        )
    mkfs = find_program("mkfs.ext4")
    if mkfs is None:
        return Check(
            name="loop devices",
            usable=False,
            detail="mkfs.ext4 is not installed: /tmp of functions is memory and counts as such",
            fix="apt-get install --yes e2fsprogs",
        )
    return Check(name="loop devices", usable=True, detail=f"/dev/loop-control, {mkfs}")


def check_network() -> Check:
    """Whether sandboxes can be given outbound network."""
    nft = find_program("nft")
    if nft is None:
        return Check(
            name="outbound network",
            usable=False,
            detail="nft is not installed (not needed with network = none)",
            fix="apt-get install --yes nftables",
        )
    detail = nft
    # Docker sets the forward chain's policy to drop, and a drop in any table is final.
    if shutil.which("docker") is not None:
        detail += "; Docker is here: `iptables -I DOCKER-USER -i lb+ -j ACCEPT` if packets get lost"
    return Check(name="outbound network", usable=True, detail=detail)
