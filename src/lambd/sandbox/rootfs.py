"""The root file system that all sandboxes of a driver share, put together once in `open`.

The host's /usr read-only, a small generated /etc, mount points, nothing else of the host. It is
assembled in lambd's private mount namespace and bound, with what is mounted in it, by each bundle.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lambd.sandbox import syscalls

# Name, user id and group id of everything inside (runtime.md section 9; the id is unverified).
USER_NAME, USER_ID, GROUP_ID = "sbx_user1051", 993, 990
# Top-level directories that are symlinks into /usr on merged-usr hosts, directories on others.
_SYSTEM_DIRECTORIES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_MOUNT_POINTS = ("proc", "dev", "tmp", "opt", "mnt", "var/task", "var/runtime", "var/lang")
# Where mounts may go, beside directories of /usr.
_MOUNTABLE = ("var", "opt", "mnt")
# Host files that hold nothing private and that programs expect: copied.
_COPIED = ("ld.so.cache", "services", "protocols", "mime.types", "os-release", "ssl/openssl.cnf")
# Host directories that /usr's programs need: bound. Not all of /etc/ssl: private keys are there.
_BOUND = ("alternatives", "ssl/certs", "pki/tls/certs", "pki/ca-trust/extracted", "crypto-policies")
# Where Amazon Linux has the certificates of authorities, on hosts that have them where Debian does.
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_CERTIFICATE_LINKS = (
    "pki/tls/cert.pem",
    "pki/tls/certs/ca-bundle.crt",
    "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
)
_LOCALES = "usr/lib/locale"
# Names of the one locale that every host's C library has.
_HOST_LOCALES = ("C.utf8", "C.UTF-8")
# What LANG may name inside.
_SHOWN_LOCALES = ("C.utf8", "en_US.utf8")
# Configuration of the host's JVMs (/etc/java-17-openjdk and the like), which /usr links to.
_BOUND_PATTERN = "java-*"

# More in a row are a loop.
_MAX_LINKS = 8

_HOSTS = "127.0.0.1 localhost sandbox sandbox.localdomain\n::1 localhost\n"
_RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n"
# Of AWS's images. What it starts is there when the runtime or the function brings it.
_ENTRY_POINT = """\
#!/bin/sh
if [ $# -ne 1 ]; then
  echo "entrypoint requires the handler name to be the first argument" 1>&2
  exit 142
fi
export _HANDLER="$1"
exec /var/runtime/bootstrap
"""
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"


@dataclass(frozen=True, slots=True)
class RootFilesystem:
    """An assembled root; `mounted` lists what `remove` has to unmount, innermost last."""

    path: Path
    mounted: tuple[Path, ...]

    def ensure_mount_point(self, target: str) -> None:
        """Create the directory at which something is going to be mounted.

        Raises:
            ValueError: not an absolute, normalised path, or not a place for mounts.
        """
        parts = Path(target).parts
        if target != str(Path(*parts)) or parts[0] != "/" or ".." in parts or len(parts) < 2:
            raise ValueError(f"not a mount target: {target!r}")
        place = self.path.joinpath(*parts[1:])
        if parts[1] == "usr":
            # The host's: what is there may be covered, nothing can be added.
            if not place.is_dir():
                raise ValueError(f"{target} is not a directory of the host")
        elif parts[1] in _MOUNTABLE:
            place.mkdir(parents=True, exist_ok=True)
        else:
            raise ValueError(f"{target} is not a place for mounts")

    def remove(self) -> None:
        """Unmount everything and delete the directory."""
        for target in reversed(self.mounted):
            syscalls.umount(target)
        shutil.rmtree(self.path)


def assemble(path: Path, *, host: Path = Path("/")) -> RootFilesystem:
    """Build the root in an empty or missing directory, in the caller's mount namespace.

    Raises:
        OSError: not permitted, or the disk is full.
    """
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.chmod(0o755)
    for name in _MOUNT_POINTS:
        (path / name).mkdir(parents=True, exist_ok=True)
    mounted = [_bind(host / "usr", path / "usr")]
    for name in _SYSTEM_DIRECTORIES:
        source = host / name
        if source.is_symlink():
            (path / name).symlink_to(source.readlink())
        elif source.is_dir():
            mounted.append(_bind(source, path / name))
    mounted += _fill_etc(path / "etc", host / "etc")
    mounted += _cover_locales(path, host)
    mounted += _make_sh_bash(path, host)
    (path / "lambda-entrypoint.sh").write_text(_ENTRY_POINT)
    (path / "lambda-entrypoint.sh").chmod(0o755)
    return RootFilesystem(path, tuple(mounted))


def _bind(source: Path, target: Path) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    syscalls.bind_read_only(source, target)
    return target


def _make_sh_bash(path: Path, host: Path) -> list[Path]:
    """Have sh be bash, as on Amazon Linux, if the host has one; returns what was mounted."""
    # Of each directory once: /bin is a link into /usr, or one of its own.
    directories = [Path(name) for name in ("bin", "usr/bin") if not (path / name).is_symlink()]
    bash = next((b for b in (host / each / "bash" for each in directories) if b.is_file()), None)
    if bash is None:
        return []
    shells = [_followed(path, directory / "sh") for directory in directories]
    mounted: list[Path] = []
    for shell in shells:
        if shell is not None and not shell.samefile(bash):
            syscalls.bind_read_only(bash, shell)
            mounted.append(shell)
    return mounted


def _followed(root: Path, inside: Path) -> Path | None:
    """The file at the end of a chain of links, each read as from inside the root."""
    for _ in range(_MAX_LINKS):
        place = root / inside
        if not place.is_symlink():
            return place if place.is_file() else None
        inside = Path(os.path.normpath("/" / inside.parent / place.readlink())).relative_to("/")
    return None


def _fill_etc(etc: Path, host_etc: Path) -> list[Path]:
    """Write the generated files, copy and bind the host's; returns what was mounted."""
    etc.mkdir()
    for name, text in generated_etc().items():
        (etc / name).write_text(text)
    _copy_readable(host_etc.parent / "usr/share/zoneinfo/UTC", etc / "localtime")
    for name in _COPIED:
        _copy_readable(host_etc / name, etc / name)
    if not (host_etc / "pki/tls/certs").is_dir():
        for name in _CERTIFICATE_LINKS:
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            (etc / name).symlink_to(_CERTIFICATES)
    directories = [host_etc / name for name in _BOUND] + sorted(host_etc.glob(_BOUND_PATTERN))
    return [
        _bind(source, etc / source.relative_to(host_etc))
        for source in directories
        if source.is_dir()
    ]


def _cover_locales(path: Path, host: Path) -> list[Path]:
    """Show C.UTF-8 and en_US.UTF-8, which LANG names inside, on every host; what was mounted.

    The second has the first's rules: few hosts have it, and its own differ in how numbers and
    dates are written only.
    """
    sources = [host / _LOCALES / name for name in _HOST_LOCALES]
    source = next((each for each in sources if each.is_dir()), None)
    if source is None:
        return []
    made = path / "etc/locale"
    for name in _SHOWN_LOCALES:
        shutil.copytree(source, made / name)
    return [_bind(made, path / _LOCALES)]


def generated_etc() -> dict[str, str]:
    """Name and text of the files that are ours."""
    return {
        "passwd": (
            "root:x:0:0:root:/:/sbin/nologin\n"
            f"{USER_NAME}:x:{USER_ID}:{GROUP_ID}::/home/{USER_NAME}:/sbin/nologin\n"
            "nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
        ),
        "group": f"root:x:0:\n{USER_NAME}:x:{GROUP_ID}:\nnogroup:x:65534:\n",
        "hosts": _HOSTS,
        "resolv.conf": _RESOLV_CONF,
        "nsswitch.conf": _NSSWITCH,
        "timezone": "UTC\n",
    }


def _copy_readable(source: Path, target: Path) -> None:
    """Copy a file that everybody may read; others are left out."""
    if source.is_file() and source.stat().st_mode & 0o004:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o644)
