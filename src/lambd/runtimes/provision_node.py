"""Node.js runtimes: a Node.js of this machine or of the npm registry, and AWS's own client for it.

AWS's client is `aws-lambda-ric` from npm: version 3 for nodejs20.x and nodejs22.x, version 4, which
has no handlers with callbacks, from nodejs24.x on. Both are unchanged but for their transport, see
`shims/node/rapid_client.js`. A sandbox mounts Node.js at `/var/lang` and, at `/var/runtime`,
`index.mjs`, the client, clients of the AWS SDK, and the init shim.

Cache layout: `interpreters/node-<key>` (npm's, or links to the system's), `libraries/nodejs-<key>`
(what npm installed), `runtimes/nodejs-<key>` (hard links to those plus our files).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambd.runtimes import init_interpreter, node_interpreters, npm
from lambd.runtimes.cache import Cache, appearing, make_readable
from lambd.runtimes.catalogue import Family, Runtime
from lambd.runtimes.node_interpreters import NodeInterpreter
from lambd.runtimes.prepared_runtime import (
    LANG_DIR,
    RUNTIME_DIR,
    PreparedRuntime,
    RuntimeStatus,
    RuntimeUnavailableError,
)

_SHIMS = Path(__file__).parent / "shims"
# DEVIATION: AWS's images have all clients of the AWS SDK, some 400; here are the 38 that functions
# use most (`requirements/npm/ric4/package.json`): installing these takes half again as long as 15
# did, all would take minutes. Functions that need others bring them, as AWS advises.

# Major versions, with the set of packages in `requirements/npm` that serves them and where that
# has AWS's client load its transport from.
_CLIENT = Path("node_modules/aws-lambda-ric")
_CLIENTS = {
    20: ("ric3", _CLIENT / "dist/rapid-client.node"),
    22: ("ric3", _CLIENT / "dist/rapid-client.node"),
    24: ("ric4", _CLIENT / "rapid-client.node"),
    26: ("ric4", _CLIENT / "rapid-client.node"),
}
# What builds the add-on that we have no use for.
_UNUSED = (
    "node_modules/node-gyp",
    "node_modules/node-addon-api",
    *(str(_CLIENT / name) for name in ("deps", "scripts", "src", "node_modules")),
)
# Of the SDK's packages, what serves bundlers and compilers and never Node.js: nine tenths of their
# files. They are not shown inside; to remove them from the cache takes longer than to install them.
_UNUSED_BUILDS = ("dist-es", "dist-types")
# Where AWS's guide has NODE_EXTRA_CA_CERTS point, and what is there: the sandbox's authorities.
_CERTIFICATES = ("ca-cert.pem", "/etc/pki/tls/certs/ca-bundle.crt")
# Names of machines in the registry's `node-linux-*` packages.
_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installed:
    """A Node.js ready to be mounted."""

    root: Path
    version: str
    overlays: tuple[tuple[Path, str], ...] = ()


class NodeProvisioner:
    """Implements `provision.FamilyProvisioner`."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def can_run(self, runtime: Runtime) -> bool:
        """Whether there are pinned client libraries."""
        return runtime.family is Family.NODEJS and _major(runtime) in _CLIENTS

    def prepare(self, runtime: Runtime) -> PreparedRuntime:
        """See the protocol."""
        major = _major(runtime)
        node = self._node(major)
        runtime_dir = self._assemble(*_CLIENTS[major])
        init = init_interpreter.find(self._cache)
        minor = node.version.split(".")[1]
        return PreparedRuntime(
            identifier=runtime.identifier,
            interpreter_root=node.root,
            runtime_dir=runtime_dir,
            overlays=(*node.overlays, *init.overlays),
            init_argv=init.argv,
            init_environment=init.environment,
            argv=(f"{LANG_DIR}/bin/node", f"{RUNTIME_DIR}/index.mjs"),
            execution_env=runtime.execution_env or "",
            version_string=f"nodejs:{major}.v{int(minor) + 1}",
            version_hash=_version_hash(runtime, node.version, runtime_dir),
            essentials=(node.root / "bin/node", runtime_dir / "index.mjs", init.executable),
        )

    def version_hash(self, runtime: Runtime) -> str:
        """See the protocol."""
        major = _major(runtime)
        found = node_interpreters.find(major, self._cache.environ)
        if found is not None:
            version = ".".join(str(part) for part in found.version)
        elif (machine := _MACHINES.get(platform.machine())) is not None:
            version = npm.locked_version(f"node{major}", f"node-linux-{machine}")
        else:
            raise RuntimeUnavailableError(_nowhere(major))
        packages, transport = _CLIENTS[major]
        return _version_hash(runtime, version, self._runtime_dir(packages, _own_files(transport)))

    def status(self, runtime: Runtime) -> RuntimeStatus:
        """See the protocol."""
        major = _major(runtime)
        found = node_interpreters.find(major, self._cache.environ)
        libraries = self._library_dir(_CLIENTS[major][0])
        if found is not None:
            version = ".".join(str(part) for part in found.version)
            return RuntimeStatus(
                identifier=runtime.identifier,
                is_usable=True,
                detail=f"{found.executable} ({version})",
                is_installed=libraries.is_dir(),
            )
        if platform.machine() not in _MACHINES:
            return RuntimeStatus(
                identifier=runtime.identifier, is_usable=False, detail=_nowhere(major)
            )
        downloaded = self._download_dir(major)
        return RuntimeStatus(
            identifier=runtime.identifier,
            is_usable=True,
            detail=str(downloaded / "bin/node") if downloaded.is_dir() else "from npm",
            is_installed=libraries.is_dir() and downloaded.is_dir(),
        )

    # -- Node.js itself

    def _node(self, major: int) -> _Installed:
        """The machine's own, else the registry's."""
        found = node_interpreters.find(major, self._cache.environ)
        return self._downloaded(major) if found is None else self._own(found)

    def _own(self, node: NodeInterpreter) -> _Installed:
        version = ".".join(str(part) for part in node.version)
        if node.is_system:
            path = hashlib.sha256(os.fsencode(node.executable)).hexdigest()[:8]
            root = self._cache.links(f"node-{version}-{path}", {"node": node.executable})
            return _Installed(root=root, version=version)
        # Packages that this machine's owner installed globally are not the functions'.
        packages = node.prefix / "lib/node_modules"
        shown = ((self._cache.empty(), f"{LANG_DIR}/lib/node_modules"),)
        return _Installed(
            root=node.prefix, version=version, overlays=shown if packages.is_dir() else ()
        )

    def _download_dir(self, major: int) -> Path:
        key = f"node-{major}-{platform.machine()}-{npm.lock_digest(f'node{major}')}"
        return self._cache.directory / "interpreters" / key

    def _downloaded(self, major: int) -> _Installed:
        """npm's binary, without the headers and manuals of its package."""
        machine = _MACHINES.get(platform.machine())
        if machine is None:
            raise RuntimeUnavailableError(_nowhere(major))
        target = self._download_dir(major)
        with appearing(target) as building:
            if building is not None:
                scratch = building.parent / "npm"
                scratch.mkdir()
                npm.install(self._cache, f"node{major}", scratch)
                package = scratch / f"node_modules/node-linux-{machine}"
                (building / "bin").mkdir()
                (package / "bin/node").rename(building / "bin/node")
                (package / "LICENSE").rename(building / "LICENSE")
                make_readable(building)
        node = node_interpreters.probe(target / "bin/node", major)
        if node is None:
            raise RuntimeUnavailableError(
                f"Node.js {major} from npm does not run on this machine. Install Node.js {major} "
                "by other means, then update the function."
            )
        return _Installed(root=target, version=".".join(str(part) for part in node.version))

    # -- what stands in /var/runtime

    def _library_dir(self, packages: str) -> Path:
        return (
            self._cache.directory / "libraries" / f"nodejs-{packages}-{npm.lock_digest(packages)}"
        )

    def _install(self, packages: str) -> Path:
        target = self._library_dir(packages)
        with appearing(target) as building:
            if building is not None:
                npm.install(self._cache, packages, building)
                for name in _UNUSED:
                    shutil.rmtree(building / name, ignore_errors=True)
                make_readable(building)
        return target

    def _runtime_dir(self, packages: str, files: Mapping[str, bytes]) -> Path:
        parts = [*files.values(), *(part.encode() for part in (*_CERTIFICATES, *_UNUSED_BUILDS))]
        digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
        name = f"{self._library_dir(packages).name}-{digest}"
        return self._cache.directory / "runtimes" / name

    def _assemble(self, packages: str, transport: Path) -> Path:
        """Hard links to the packages, and our own files."""
        libraries = self._install(packages)
        files = _own_files(transport)
        target = self._runtime_dir(packages, files)
        with appearing(target) as building:
            if building is not None:
                shutil.copytree(
                    libraries / "node_modules",
                    building / "node_modules",
                    copy_function=os.link,
                    ignore=shutil.ignore_patterns(*_UNUSED_BUILDS),
                )
                for name, content in files.items():
                    (building / name).parent.mkdir(exist_ok=True)
                    (building / name).write_bytes(content)
                link, certificates = _CERTIFICATES
                (building / link).symlink_to(certificates)
                make_readable(building)
        return target


def _own_files(transport: Path) -> dict[str, bytes]:
    """What we add to the packages, by path in /var/runtime."""
    return {
        "index.mjs": (_SHIMS / "node/index.mjs").read_bytes(),
        "node_path.mjs": (_SHIMS / "node/node_path.mjs").read_bytes(),
        "lambd_init.py": (_SHIMS / "init.py").read_bytes(),
        str(transport / "package.json"): (_SHIMS / "node/package.json").read_bytes(),
        str(transport / "rapid_client.js"): (_SHIMS / "node/rapid_client.js").read_bytes(),
    }


def _version_hash(runtime: Runtime, node_version: str, runtime_dir: Path) -> str:
    identity = f"{runtime.identifier} {node_version} {runtime_dir.name}".encode()
    return hashlib.sha256(identity).hexdigest()


def _major(runtime: Runtime) -> int:
    """The major version that an identifier names; 0 for the oldest, which name none."""
    return int(runtime.version) if runtime.version.isdigit() else 0


def _nowhere(major: int) -> str:
    return (
        f"No Node.js {major} on this machine, and npm has none for {platform.machine()}. Install "
        "it by other means, then update the function."
    )
