"""What a sandbox reaches over the network: its own sockets, names, the outside."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.sandbox_probe import (
    CIDR,
    PLATFORM_PORT,
    PYTHON,
    opened_driver,
    started,
)

from lambd.model.errors import SandboxError
from lambd.sandbox.driver import Sandbox
from lambd.sandbox.oci import OciDriver

pytestmark = pytest.mark.oci

# Documentation addresses (RFC 5737) of the test's outside host and of this one towards it.
_OUTSIDE, _TOWARDS_OUTSIDE = "198.51.100.2", "198.51.100.1"
_OUTSIDE_PORT = 8099
_RESOLVED = "192.0.2.77"

_SERVER = f"""
import socket
server = socket.create_server(("{_OUTSIDE}", {_OUTSIDE_PORT}))
print("listening", flush=True)
while True:
    peer, address = server.accept()
    peer.sendall(address[0].encode())
    peer.close()
"""


def connect(host: str, port: int) -> str:
    """Source that prints what a server says, or the error."""
    return f"""
import socket
try:
    with socket.create_connection(({host!r}, {port}), timeout=2) as peer:
        print(peer.recv(100).decode())
except OSError as exc:
    print(type(exc).__name__)
"""


async def greet_once(listening: socket.socket | None) -> None:
    """Accept one connection on a sandbox's socket and say hello."""
    assert listening is not None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        peer, _ = await loop.sock_accept(listening)
        with peer:
            await loop.sock_sendall(peer, b"hello")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, int(port)


@pytest.mark.parametrize("which", ["runtime_api", "platform"])
async def test_sockets_made_inside_are_served_outside(
    which: str, runtime: str, tmp_path: Path
) -> None:
    """A program inside reaches the Runtime API and the platform on its loopback."""

    def pick(sandbox: Sandbox) -> tuple[socket.socket | None, str]:
        if which == "platform":
            return sandbox.platform_socket, sandbox.platform_address
        return sandbox.runtime_api_socket, sandbox.runtime_api_address

    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        listening, address = pick(probe.sandbox)
        said, _ = await asyncio.gather(
            probe.python(connect(*_address(address))), greet_once(listening)
        )
        assert said == "hello"


class NameServer:
    """Answers every A query with one address, over UDP and TCP, on the host's loopback."""

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._tcp.getsockname()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(self.address)
        self._threads = [
            threading.Thread(target=target) for target in (self._serve_udp, self._serve_tcp)
        ]
        for thread in self._threads:
            thread.start()

    def _serve_udp(self) -> None:
        while True:
            query, client = self._udp.recvfrom(4096)
            if not query:
                return
            self._udp.sendto(answer(query), client)

    def _serve_tcp(self) -> None:
        while True:
            peer, _ = self._tcp.accept()
            with peer:
                size = peer.recv(2)
                if not size:
                    return
                reply = answer(peer.recv(int.from_bytes(size, "big")))
                peer.sendall(len(reply).to_bytes(2, "big") + reply)

    def close(self) -> None:
        """Stop both threads."""
        self._udp.sendto(b"", self.address)
        socket.create_connection(self.address).close()
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()


def answer(query: bytes) -> bytes:
    """A DNS answer (RFC 1035): one address for type A, none for other types."""
    end = query.index(b"\0", 12) + 5
    is_a = query[end - 4 : end - 2] == b"\0\1"
    header = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(_RESOLVED)
    return header + query[12:end] + (record if is_a else b"")


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    """A name server that only the host can reach."""
    server = NameServer()
    yield server
    server.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_names_resolve_through_the_hosts_resolver(
    transport: str, name_server: NameServer, runtime: str, tmp_path: Path
) -> None:
    """A resolver on the host's loopback answers a sandbox that cannot reach it."""
    options = "use-vc" if transport == "tcp" else ""
    source = f"""
import os
os.environ["RES_OPTIONS"] = "{options}"
import socket
print(socket.gethostbyname("function.test"))
"""
    async with opened_driver(
        tmp_path / "run",
        runtime=runtime,
        network="masquerade",
        resolvers=[("127.0.0.1", 9), name_server.address],
    ) as driver:
        # The first resolver refuses: the second is asked (TCP knows the first only).
        if transport == "tcp":
            driver._resolver._servers = (name_server.address,)
        async with started(driver) as probe:
            assert await probe.python(source) == _RESOLVED


@pytest.fixture
def outside() -> Iterator[None]:
    """A host of its own, in a namespace joined to ours, that tells who called."""
    name = f"lambdtest{os.getpid()}"
    near, far = f"lt{os.getpid()}"[:14] + "a", f"lt{os.getpid()}"[:14] + "b"

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        ip("addr", "add", f"{_TOWARDS_OUTSIDE}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", name, "addr", "add", f"{_OUTSIDE}/30", "dev", far)
        ip("-n", name, "link", "set", far, "up")
        command = ["ip", "netns", "exec", name, PYTHON, "-c", _SERVER]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"listening\n"
            yield
            server.kill()
    finally:
        # The namespace alone goes in the kernel's own time.
        subprocess.run(["ip", "link", "del", near], check=False)
        ip("netns", "del", name)


@pytest.mark.usefixtures("outside")
async def test_outside_is_reached_under_the_hosts_address(runtime: str, tmp_path: Path) -> None:
    """Masquerade: the other side sees the host, not the sandbox."""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime, network="masquerade") as driver,
        started(driver) as probe,
    ):
        assert await probe.python(connect(_OUTSIDE, _OUTSIDE_PORT)) == _TOWARDS_OUTSIDE


@pytest.mark.usefixtures("outside")
async def test_no_network_cuts_the_outside_off(runtime: str, tmp_path: Path) -> None:
    """Network "none": there is no route."""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime, network="none") as driver,
        started(driver) as probe,
    ):
        assert await probe.python(connect(_OUTSIDE, _OUTSIDE_PORT)) == "OSError"


async def test_no_network_cuts_names_off(
    name_server: NameServer, runtime: str, tmp_path: Path
) -> None:
    """Network "none": names do not resolve either."""
    source = """
import socket
try:
    print(socket.gethostbyname("function.test"))
except OSError as exc:
    print(type(exc).__name__)
"""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime, resolvers=[name_server.address]) as driver,
        started(driver) as probe,
    ):
        assert await probe.python(source) == "gaierror"


class Greeter:
    """A server of the host, TCP and UDP at one port, that says where it listens."""

    def __init__(self, address: str) -> None:
        self._said = f"hello from {address}".encode()
        self._tcp = socket.create_server((address, 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((address, self.port))
        self._address = address
        self._threads = [
            threading.Thread(target=target) for target in (self._serve_tcp, self._serve_udp)
        ]
        for thread in self._threads:
            thread.start()

    def _serve_tcp(self) -> None:
        while True:
            peer, _ = self._tcp.accept()
            with peer:
                if peer.getpeername()[0] == self._address:
                    return
                peer.sendall(self._said)

    def _serve_udp(self) -> None:
        while True:
            datagram, client = self._udp.recvfrom(100)
            if datagram == b"stop":
                return
            self._udp.sendto(self._said, client)

    def close(self) -> None:
        """Stop both threads."""
        address = (self._address, self.port)
        self._udp.sendto(b"stop", address)
        socket.create_connection(address, source_address=(self._address, 0)).close()
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()


@pytest.fixture
def greeter() -> Iterator[Greeter]:
    """A server on the host's loopback."""
    server = Greeter("127.0.0.1")
    yield server
    server.close()


def ask(host: str, port: int) -> str:
    """Source that prints what a server answers to a datagram, or the error."""
    return f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(5)
    try:
        sock.connect(({host!r}, {port}))
        sock.send(b"?")
        print(sock.recv(100).decode())
    except OSError as exc:
        print(type(exc).__name__)
"""


@pytest.mark.parametrize("name", ["host.docker.internal", "host.lambd.internal"])
async def test_chosen_ports_of_the_host_are_reached_by_name(
    name: str, greeter: Greeter, runtime: str, tmp_path: Path
) -> None:
    """A developer's server on 127.0.0.1, by TCP and UDP."""
    async with (
        opened_driver(
            tmp_path / "run",
            runtime=runtime,
            network="masquerade",
            resolvers=[],
            host_ports=(greeter.port, 1),
        ) as driver,
        started(driver) as probe,
    ):
        assert await probe.python(connect(name, greeter.port)) == "hello from 127.0.0.1"
        assert await probe.python(ask(name, greeter.port)) == "hello from 127.0.0.1"
        # Open, and nobody listens there.
        assert await probe.python(connect(name, 1)) == "ConnectionRefusedError"


async def test_other_ports_of_the_host_refuse_at_once(
    greeter: Greeter, runtime: str, tmp_path: Path
) -> None:
    """So does what is link-local: no client waits for its time-out."""
    async with (
        opened_driver(
            tmp_path / "run", runtime=runtime, network="masquerade", resolvers=[], host_ports=(1,)
        ) as driver,
        started(driver) as probe,
    ):
        for host, port in (("host.docker.internal", greeter.port), ("169.254.169.254", 80)):
            assert await probe.python(connect(host, port)) == "ConnectionRefusedError"
            assert await probe.python(ask(host, port)) == "ConnectionRefusedError"


async def test_the_platforms_own_port_cannot_be_opened(tmp_path: Path) -> None:
    """Code inside reaches it under its own name, not as somebody on the host."""
    with pytest.raises(SandboxError, match="AWS_ENDPOINT_URL"):
        OciDriver("crun", tmp_path, PLATFORM_PORT, "masquerade", CIDR, host_ports=(PLATFORM_PORT,))
