"""The system calls a sandbox may make: `seccomp.json` (package data) as an OCI seccomp section.

An allow list in the spirit of the common container default, without what a Lambda function has no
use for: namespaces, mounts, ptrace, io_uring, keyrings, BPF, performance events, userfaultfd.
Calls that are denied on purpose answer EPERM; unknown ones ENOSYS, so that libraries fall back to
what they did before the call existed. A kernel inside the sandbox (gVisor) answers unknown calls
itself; and since its filters know no answer but EPERM, which stops libc from falling back (clone3),
it gets the denials alone.
"""

from __future__ import annotations

import json
import os
from importlib import resources

_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_EPERM, _ENOSYS = 1, 38


def seccomp_section(machine: str | None = None, *, is_by_denial: bool = False) -> dict[str, object]:
    """The `linux.seccomp` object of a bundle.

    Args:
        machine: `os.uname().machine`; None: this one's.
        is_by_denial: allow what is not denied, for a kernel of the sandbox's own.

    Raises:
        KeyError: a machine that the profile does not know.
    """
    text = (resources.files("lambd.sandbox") / "seccomp.json").read_text()
    profile: dict[str, dict[str, list[str]]] = json.loads(text)
    architectures = [_ARCHITECTURES[machine or os.uname().machine]]
    denied = sorted({name for names in profile["deny"].values() for name in names})
    denial = {"names": denied, "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM}
    if is_by_denial:
        return {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": architectures,
            "syscalls": [denial],
        }
    allowed = sorted({name for names in profile["allow"].values() for name in names})
    conditional = [
        {
            "names": [name],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": index, "value": mask, "valueTwo": value, "op": operator}],
        }
        for name, index, operator, mask, value in _conditions()
    ]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _ENOSYS,
        "architectures": architectures,
        "syscalls": [
            {"names": allowed, "action": "SCMP_ACT_ALLOW"},
            denial,
            *conditional,
        ],
    }


# <linux/sched.h>: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; NEWTIME shares
# its bit with the exit signal of clone(2) and is reachable by clone3 and unshare only.
_NAMESPACE_FLAGS = 0x7E02_0000
# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (getaddrinfo, getifaddrs).
_SOCKET_FAMILIES = (1, 2, 10, 16)
# Linux, Linux with 2.6 version numbers, no address randomisation (debuggers, JVMs), query.
_PERSONALITIES = (0, 0x0002_0000, 0x0004_0000, 0xFFFF_FFFF)


def _conditions() -> list[tuple[str, int, str, int, int]]:
    """Calls allowed for some arguments: name, argument index, operator, value or mask, value."""
    equal = "SCMP_CMP_EQ"
    return [
        ("clone", 0, "SCMP_CMP_MASKED_EQ", _NAMESPACE_FLAGS, 0),
        *(("socket", 0, equal, family, 0) for family in _SOCKET_FAMILIES),
        *(("socketpair", 0, equal, family, 0) for family in _SOCKET_FAMILIES[:1]),
        *(("personality", 0, equal, value, 0) for value in _PERSONALITIES),
    ]
