"""One network namespace for each sandbox, made by a thread that enters it and comes back.

The thread brings loopback up and opens the listening sockets inside: the Runtime API, the
platform's API, name resolution. They are ordinary descriptors afterwards and stay in that
namespace, so the event loop serves each sandbox directly, and nobody else can connect. With
outbound network a veth pair joins the namespace to the host (`slices`, `firewall`).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from lambd.model.errors import SandboxError
from lambd.sandbox import firewall, namespaces, slices, syscalls

# AWS's (runtime.md section 1), on the loopback interface.
RUNTIME_API_HOST, RUNTIME_API_PORT = "169.254.100.1", 9001
LOOPBACK = "127.0.0.1"
_DNS_PORT = 53
_LISTEN_BACKLOG = 1024
_LOOPBACK_INDEX = 1
_INSIDE_INTERFACE = "eth0"

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class SandboxNetwork:
    """One namespace and the sockets in it. `close` closes all of them."""

    namespace_fd: int
    runtime_api: socket.socket
    platform: socket.socket
    # Name resolution; None without outbound network.
    dns_udp: socket.socket | None
    dns_tcp: socket.socket | None
    # The cable to the host; None without outbound network.
    link: slices.Link | None
    _closed: bool = field(default=False, init=False)

    @property
    def namespace_path(self) -> str:
        """A path by which other processes on the host can open the namespace."""
        return f"/proc/{os.getpid()}/fd/{self.namespace_fd}"

    def let_go_of_namespace(self) -> None:
        """Close our descriptor of it, once processes are in it; the sockets stay."""
        if self.namespace_fd >= 0:
            os.close(self.namespace_fd)
            self.namespace_fd = -1

    def close(self) -> None:
        """Close everything; the namespace goes when its processes have gone. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for sock in (self.runtime_api, self.platform, self.dns_udp, self.dns_tcp):
            if sock is not None:
                sock.close()
        self.let_go_of_namespace()


class NetworkFactory:
    """Makes sandbox networks; owns the host's side of them."""

    def __init__(
        self, *, platform_port: int, cidr: str | None, nft: str, host_ports: Sequence[int] = ()
    ) -> None:
        """Args:
        platform_port: where the platform's API listens inside.
        cidr: range for outbound addresses; None for sandboxes without outbound network.
        nft: path of the nft program.
        host_ports: ports of the host that code inside may reach.
        """
        self._platform_port = platform_port
        self._cidr = cidr
        self._nft = nft
        self._host_ports = tuple(host_ports)
        # One thread, since it changes namespaces.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lambd-network")
        self._numbers = itertools.count()
        self._slice: slices.Slice | None = None
        self._host: Any = None  # pyroute2's IPRoute has no type information
        self._home_fd = -1

    async def open(self) -> None:
        """Claim a slice and install the rules.

        Raises:
            SandboxError: this host does not let us.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._open_host)

    def make(self) -> SandboxNetwork:
        """A fresh network. Blocks: to be called from a worker thread.

        Raises:
            SandboxError: it could not be made.
        """
        return self._thread.submit(self._make).result()

    async def close(self) -> None:
        """Remove everything from the host; sandboxes have been closed before."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close_host)
        self._thread.shutdown()

    # In the network thread from here on.

    def _open_host(self) -> None:
        self._home_fd = namespaces.open_own_network()
        if self._cidr is None:
            return
        claimed = slices.claim(self._cidr)
        try:
            self._host = IPRoute()
            self._remove_interfaces(claimed)
            firewall.install(claimed, self._nft, self._host_ports)
            for abandoned in slices.claim_abandoned(self._cidr):
                try:
                    self._remove_interfaces(abandoned)
                    firewall.remove(abandoned, self._nft)
                finally:
                    abandoned.release()
        except BaseException:
            claimed.release()
            raise
        self._slice = claimed

    def _close_host(self) -> None:
        if self._slice is not None and self._host is not None:
            self._remove_interfaces(self._slice)
            firewall.remove(self._slice, self._nft)
            self._slice.release()
            self._host.close()
        if self._home_fd >= 0:
            os.close(self._home_fd)
            self._home_fd = -1

    def _remove_interfaces(self, claimed: slices.Slice) -> None:
        for link in self._host.get_links():
            if str(link.get_attr("IFLA_IFNAME")).startswith(claimed.interface_prefix):
                try:
                    self._host.link("del", index=link["index"])
                except NetlinkError as exc:
                    # Gone by itself meanwhile, with its namespace.
                    _log.debug("interface is gone", action="interface-gone", error=str(exc))

    def _make(self) -> SandboxNetwork:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
            try:
                made = self._furnish(namespaces.open_own_network())
            finally:
                syscalls.setns(self._home_fd, syscalls.CLONE_NEWNET)
            # Only now: settings of the network are those of the namespace one is in.
            if self._host_ports and made.link is not None:
                self._open_host_ports(made, made.link)
        except (OSError, NetlinkError) as exc:
            raise SandboxError(f"no network namespace for a sandbox: {exc}") from exc
        return made

    def _open_host_ports(self, made: SandboxNetwork, link: slices.Link) -> None:
        try:
            firewall.allow_loopback_targets(link.interface)
        except BaseException:
            made.close()
            raise

    def _furnish(self, namespace_fd: int) -> SandboxNetwork:
        """Interfaces and sockets of the namespace that the thread is in."""
        sockets: list[socket.socket] = []
        try:
            link = self._set_up_interfaces(namespace_fd)
            for kind, host, port in (
                (socket.SOCK_STREAM, RUNTIME_API_HOST, RUNTIME_API_PORT),
                (socket.SOCK_STREAM, LOOPBACK, self._platform_port),
                (socket.SOCK_DGRAM, LOOPBACK, _DNS_PORT),
                (socket.SOCK_STREAM, LOOPBACK, _DNS_PORT),
            ):
                if port == _DNS_PORT and self._cidr is None:
                    continue
                sockets.append(_listen(kind, host, port))
        except BaseException:
            for sock in sockets:
                sock.close()
            os.close(namespace_fd)
            raise
        dns_udp, dns_tcp = sockets[2:] if self._cidr is not None else (None, None)
        return SandboxNetwork(
            namespace_fd=namespace_fd,
            runtime_api=sockets[0],
            platform=sockets[1],
            dns_udp=dns_udp,
            dns_tcp=dns_tcp,
            link=link,
        )

    def _set_up_interfaces(self, namespace_fd: int) -> slices.Link | None:
        """Bring them up, and lay a cable to the host where there is outbound network."""
        inside: Any = IPRoute()
        try:
            inside.link("set", index=_LOOPBACK_INDEX, state="up")
            inside.addr("add", index=_LOOPBACK_INDEX, address=RUNTIME_API_HOST, prefixlen=32)
            if self._slice is None:
                return None
            return self._connect(inside, namespace_fd, self._slice)
        finally:
            inside.close()

    def _connect(
        self,
        inside: Any,  # noqa: ANN401 - pyroute2's IPRoute has no type information
        namespace_fd: int,
        claimed: slices.Slice,
    ) -> slices.Link:
        """Lay a cable from the namespace to the host."""
        link = claimed.link(next(self._numbers))
        peer = {"ifname": _INSIDE_INTERFACE, "net_ns_fd": namespace_fd}
        self._host.link("add", ifname=link.interface, kind="veth", peer=peer)
        outer = self._host.link_lookup(ifname=link.interface)[0]
        self._host.addr("add", index=outer, address=link.host_address, prefixlen=31)
        self._host.link("set", index=outer, state="up")
        inner = inside.link_lookup(ifname=_INSIDE_INTERFACE)[0]
        inside.addr("add", index=inner, address=link.sandbox_address, prefixlen=31)
        inside.link("set", index=inner, state="up")
        inside.route("add", dst="default", gateway=link.host_address)
        return link


def _listen(kind: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(_LISTEN_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock
