"""Code inside tries to get out: at the host's files, processes, network, kernel, at its neighbours."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from pathlib import Path

import pytest
from tests.integration.sandbox_probe import PLATFORM_PORT, PYTHON, opened_driver, spec, started
from tests.integration.test_sandbox_network import connect

from lambd.sandbox.driver import SandboxExit

pytestmark = pytest.mark.oci


async def test_the_hosts_files_are_not_there(runtime: str, tmp_path: Path) -> None:
    """Neither secrets, nor homes, nor lambd's own data."""
    (tmp_path / "secret").write_text("secret")
    paths = ["/root", "/etc/shadow", "/home", "/run", "/boot", "/etc/ssl/private", "/sys/block/vda"]
    paths += ["/sys/class/net", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory"]
    paths += [str(tmp_path), str(tmp_path / "secret"), "/proc/kcore", "/proc/1/root/root"]
    source = f"""
import os
for path in {paths!r}:
    try:
        (os.listdir if os.path.isdir(path) else open)(path)
        if path != "/proc/kcore" or open(path, "rb").read(1):
            print("open:", path)
    except OSError:
        pass
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert await probe.python(source) == ""


async def test_the_hosts_processes_are_not_visible(runtime: str, tmp_path: Path) -> None:
    """Only init and itself; no signal reaches a process outside."""
    source = f"""
import os
print(sorted(int(p) for p in os.listdir("/proc") if p.isdigit())[0], end=" ")
print(len([p for p in os.listdir("/proc") if p.isdigit()]), end=" ")
try:
    os.kill({os.getpid()}, 0)
except ProcessLookupError:
    print("nobody")
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert await probe.python(source) == "1 2 nobody"


async def test_the_hosts_loopback_is_not_reachable(runtime: str, tmp_path: Path) -> None:
    """A service on the host's 127.0.0.1 does not exist inside."""
    async with opened_driver(tmp_path / "run", runtime=runtime, network="masquerade") as driver:
        with socket.create_server(("127.0.0.1", 0)) as service:
            async with started(driver) as probe:
                said = await probe.python(connect("127.0.0.1", service.getsockname()[1]))
                assert said == "ConnectionRefusedError"


async def test_no_address_of_the_host_is_reachable(runtime: str, tmp_path: Path) -> None:
    """A service on all addresses of the host is closed to sandboxes, whichever they try."""
    async with opened_driver(tmp_path / "run", runtime=runtime, network="masquerade") as driver:
        with socket.create_server(("0.0.0.0", 0)) as service:  # noqa: S104 - for the attack
            port = service.getsockname()[1]
            async with started(driver) as probe:
                addresses = {*host_addresses(), await probe.python(_GATEWAY)}
                assert len(addresses) > 1
                tries = f"targets = [(a, {port}) for a in {sorted(addresses)!r}]" + _TRY_ALL
                assert await probe.python(tries) == "[]"
            service.setblocking(False)
            with pytest.raises(BlockingIOError):
                service.accept()


def host_addresses() -> set[str]:
    """The host's own IPv4 addresses, without sandboxes' cables."""
    listing = subprocess.run(
        ["ip", "-brief", "-4", "address"], check=True, capture_output=True, text=True
    )
    lines = (line.split() for line in listing.stdout.splitlines() if not line.startswith("lb"))
    return {word.split("/")[0] for words in lines for word in words[2:]}


# Prints which of `targets` accept a connection; all are tried at once.
_TRY_ALL = """
import selectors, socket, time
selector = selectors.DefaultSelector()
for target in targets:
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(target)
    selector.register(sock, selectors.EVENT_WRITE, target)
reached, deadline = [], time.monotonic() + 2
while selector.get_map() and time.monotonic() < deadline:
    for key, _ in selector.select(0.1):
        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            reached.append(key.data)
        selector.unregister(key.fileobj)
print(reached)
"""

_GATEWAY = """
for line in open("/proc/net/route").readlines()[1:]:
    fields = line.split()
    if fields[1] == "00000000":
        print(".".join(str(b) for b in reversed(bytes.fromhex(fields[2]))))
"""

_OWN_ADDRESS = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.connect(("192.0.2.1", 9))
    print(sock.getsockname()[0])
"""

_SERVE = """
import socket
server = socket.create_server(("0.0.0.0", 7777))
print("listening", flush=True)
server.accept()[0].sendall(b"neighbour")
"""


async def test_a_neighbour_is_not_reachable(runtime: str, tmp_path: Path) -> None:
    """Not its Runtime API, nor the platform's socket in it, nor what its code listens on."""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime, network="masquerade") as driver,
        started(driver, spec("first")) as first,
        started(driver, spec("second")) as second,
    ):
        address = await first.python(_OWN_ADDRESS)
        await first.start(PYTHON, "-c", _SERVE)
        await first.wait_log()
        assert first.read_log() == "listening\n"
        targets = [(address, port) for port in (7777, 9001, PLATFORM_PORT)]
        assert await second.python(f"targets = {targets!r}" + _TRY_ALL) == "[]"


async def test_it_has_no_capabilities_and_is_filtered(runtime: str, tmp_path: Path) -> None:
    """No capability in any set, no new privileges, seccomp in filter mode, an unprivileged user."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        status = await probe.python("print(open('/proc/self/status').read())")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if runtime == "runsc":
            # Older ones do not have these fields.
            fields = {"CapAmb": "0", "NoNewPrivs": "1", **fields}
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[name], 16) == 0, name
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
        assert (fields["Uid"], fields["Groups"].strip() or "990") == ("993\t" * 3 + "993", "990")


_EPERM, _ENOSYS = 1, 38


def call(number: int, arguments: str) -> str:
    """Source that prints the result and the errno of a system call (x86-64 numbers)."""
    return f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall({number}, {arguments}), ctypes.get_errno())
"""


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        pytest.param(101, "0, 0, 0, 0", id="ptrace"),
        pytest.param(310, "1, 0, 0, 0, 0, 0", id="process_vm_readv"),
        pytest.param(272, "0x10000000", id="unshare user namespace"),
        pytest.param(308, "0, 0", id="setns"),
        pytest.param(165, "0, 0, 0, 0, 0", id="mount"),
        pytest.param(161, "0", id="chroot"),
        pytest.param(428, "0, 0, 0", id="open_tree"),
        pytest.param(321, "0, 0, 0", id="bpf"),
        pytest.param(298, "0, 0, 0, 0, 0", id="perf_event_open"),
        pytest.param(323, "0", id="userfaultfd"),
        pytest.param(250, "0, 0, 0, 0, 0", id="keyctl"),
        pytest.param(248, "0, 0, 0, 0, 0", id="add_key"),
        pytest.param(246, "0, 0, 0, 0", id="kexec_load"),
        pytest.param(313, "0, 0, 0", id="finit_module"),
        pytest.param(304, "0, 0, 0", id="open_by_handle_at"),
    ],
)
async def test_dangerous_system_calls_are_refused(
    number: int, arguments: str, runtime: str, tmp_path: Path
) -> None:
    """By the filter, before the kernel looks at the arguments."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert f"-1 {_EPERM}" == await probe.python(call(number, arguments))


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        pytest.param(425, "0, 0", id="io_uring_setup"),
        pytest.param(435, "0, 0", id="clone3"),
        pytest.param(56, "0x10000000 | 17, 0, 0, 0, 0", id="clone user namespace"),
        pytest.param(41, "38, 5, 0", id="AF_ALG socket"),
        pytest.param(41, "17, 3, 0", id="AF_PACKET socket"),
    ],
)
async def test_system_calls_that_nobody_needs_do_not_exist(
    number: int, arguments: str, tmp_path: Path
) -> None:
    """In the host's kernel: libraries fall back to what they did before the call existed."""
    async with opened_driver(tmp_path / "run") as driver, started(driver) as probe:
        assert f"-1 {_ENOSYS}" == await probe.python(call(number, arguments))


@pytest.mark.parametrize("runtime", ["runsc"], indirect=True)
@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        pytest.param(425, "0, 0", id="io_uring_setup"),
        pytest.param(41, "38, 5, 0", id="AF_ALG socket"),
        pytest.param(41, "17, 3, 0", id="AF_PACKET socket"),
        pytest.param(41, "2, 3, 1", id="raw socket"),
    ],
)
async def test_a_kernel_of_its_own_passes_no_rings_or_raw_sockets_on(
    number: int, arguments: str, runtime: str, tmp_path: Path
) -> None:
    """What gVisor knows it refuses; the rest it does not know."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert (await probe.python(call(number, arguments))).startswith("-1 ")


@pytest.mark.parametrize("runtime", ["runsc"], indirect=True)
async def test_root_of_a_user_namespace_inside_gains_nothing_outside(
    runtime: str, tmp_path: Path
) -> None:
    """gVisor lets code have one: neither a raw socket, nor a mount, nor another network with it."""
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0:
    for number, arguments in ((41, (17, 3, 0)), (41, (2, 3, 1)), (165, (0, 0, 0, 0, 0))):
        print(libc.syscall(number, *arguments), end=" ", flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert await probe.python(source) == "-1 -1 -1"


async def test_set_id_programs_gain_nothing(runtime: str, tmp_path: Path) -> None:
    """Neither the host's nor one of its own making."""
    source = """
import os, shutil, subprocess
shutil.copy("/usr/bin/id", "/tmp/id")
os.chmod("/tmp/id", 0o6755)
print(subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True).stdout.strip(), end=" ")
su = subprocess.run(["su", "-c", "id -u"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
print(su.returncode != 0, os.statvfs("/tmp").f_flag & os.ST_NOSUID != 0)
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        user, su_fails, tells_of_nosuid = (await probe.python(source)).split()
        assert (user, su_fails) == ("993", "True")
        # Older gVisors tell nothing of mounts' flags here.
        assert tells_of_nosuid == "True" or runtime == "runsc"


_HARMLESS = ["full", "null", "random", "tty", "urandom", "zero"]
# gVisor adds devices that its own kernel serves, and directories; which, depends on its version.
_DEVICES = {"crun": set(), "runsc": {"char", "fuse", "pts", "shm"}}


async def test_devices_cannot_be_made_or_opened(runtime: str, tmp_path: Path) -> None:
    """No device node in /tmp, none but the harmless ones in /dev."""
    source = """
import os, stat
try:
    os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(7, 0))
except PermissionError:
    print("refused", end=" ")
print(*(n for n in os.listdir("/dev") if not os.path.islink("/dev/" + n)))
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        answer, *names = (await probe.python(source)).split()
        assert answer == "refused"
        assert set(_HARMLESS) <= set(names) <= set(_HARMLESS) | _DEVICES[runtime]


async def test_kernel_settings_cannot_be_changed(runtime: str, tmp_path: Path) -> None:
    """/proc/sys is read-only and control groups are not mounted."""
    source = """
import os
try:
    open("/proc/sys/kernel/core_pattern", "w")
except OSError as exc:
    print(exc.errno in (13, 30), os.path.exists("/sys/fs/cgroup/cgroup.procs"), end=" ")
    print(os.path.exists("/sys/fs/cgroup/memory"))
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert await probe.python(source) == "True False False"


async def test_init_cannot_be_signalled_away(tmp_path: Path) -> None:
    """Code inside runs under init's user id; its signals do nothing to process 1."""
    source = """
import os, signal
for number in range(1, 65):
    if number not in (32, 33):
        os.kill(1, number)
print("sent")
"""
    async with opened_driver(tmp_path / "run") as driver, started(driver) as probe:
        assert await probe.python(source) == "sent"
        assert await probe.python("print('alive')") == "alive"


@pytest.mark.parametrize("runtime", ["runsc"], indirect=True)
async def test_signals_to_init_end_no_more_than_their_own_sandbox(
    runtime: str, tmp_path: Path
) -> None:
    """gVisor does not shield process 1: code can end its sandbox, as by exhausting its memory."""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime) as driver,
        started(driver, spec("neighbour")) as neighbour,
        started(driver) as probe,
    ):
        await probe.start(PYTHON, "-c", "import os; os.kill(1, 15)")
        async with asyncio.timeout(10):
            assert SandboxExit(status=128 + 15) == await probe.sandbox.wait_exit()
        assert await neighbour.python("print('alive')") == "alive"
