"""The OCI bundle's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lambd.sandbox.bundle import BundleParts, bundle_config
from lambd.sandbox.driver import Mount, SandboxSpec

_SPEC = SandboxSpec(
    id="x",
    init_argv=("/var/lang/bin/python3.11", "/var/runtime/init.py"),
    mounts=(Mount(source=Path("/srv/code"), target="/var/task"),),
    memory_mib=128,
    ephemeral_storage_mib=512,
    init_environment={"LANG": "C.UTF-8"},
)


def _config(cgroup_path: str | None = None) -> dict[str, Any]:
    parts = BundleParts(
        rootfs=Path("/run/rootfs"),
        scratch=Path("/run/scratch/x"),
        network_namespace="/proc/1/fd/9",
        cgroup_path=cgroup_path,
        seccomp={"defaultAction": "SCMP_ACT_ERRNO"},
    )
    config: dict[str, Any] = json.loads(json.dumps(bundle_config(_SPEC, parts)))
    return config


def test_gives_no_capability_and_no_new_privileges() -> None:
    """Every capability set is empty and there is no other way to rights."""
    process = _config()["process"]
    capabilities = process["capabilities"]
    assert list(capabilities.values()) == [[]] * 5
    assert process["noNewPrivileges"] is True
    assert process["user"] == {"uid": 993, "gid": 990}


def test_isolates_every_namespace_and_joins_the_prepared_network() -> None:
    """Pid, mount, ipc, uts and cgroup are new; the network is the one given."""
    namespaces = _config()["linux"]["namespaces"]
    assert namespaces == [
        *({"type": kind} for kind in ("pid", "mount", "ipc", "uts", "cgroup")),
        {"type": "network", "path": "/proc/1/fd/9"},
    ]


def test_only_tmp_is_writable() -> None:
    """Binds are read-only but for /tmp; nothing allows set-id programs."""
    mounts = _config()["mounts"]
    binds = {m["destination"]: m["options"] for m in mounts if m["type"] == "bind"}
    assert "rw" in binds["/tmp"]  # noqa: S108
    assert {"ro", "nosuid", "nodev"} <= set(binds["/var/task"])
    assert all("nosuid" in m["options"] for m in mounts)
    assert _config()["root"] == {"path": "/run/rootfs", "readonly": True}


def test_names_a_control_group_only_where_the_runtime_makes_it() -> None:
    """Else it starts in the group it is to stay in."""
    assert "cgroupsPath" not in _config()["linux"]
    assert _config("/lambd/i/x")["linux"]["cgroupsPath"] == "/lambd/i/x"
