"""Which part of the network range this process owns, among several lambds on one host.

A slice is claimed by a lock on a file that dies with its holder. Its index names everything the
holder makes on the host (`lb<index>-<n>` interfaces, the nftables table `lambd_<index>`), so that
whoever starts next can remove what a killed predecessor left.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lambd.model.errors import SandboxError

LOCK_DIRECTORY = Path("/run/lambd/net")
# Slices a range is cut into: so many lambds may run on one host.
SLICES = 16
# Interface names have 15 characters: `lb15-` and up to ten digits fit.
_PREFIX = "lb"


@dataclass(frozen=True, slots=True)
class Link:
    """Names and addresses of one sandbox's cable to the host."""

    interface: str
    host_address: str
    sandbox_address: str


@dataclass(frozen=True, slots=True)
class Slice:
    """A claimed part of the range; `lock_fd` holds the claim."""

    index: int
    network: ipaddress.IPv4Network
    lock_fd: int

    @property
    def interface_prefix(self) -> str:
        """What the names of this slice's interfaces begin with."""
        return f"{_PREFIX}{self.index}-"

    @property
    def table(self) -> str:
        """Name of this slice's nftables table."""
        return f"lambd_{self.index}"

    @property
    def links(self) -> int:
        """How many point-to-point /31 networks fit."""
        return self.network.num_addresses // 2

    def link(self, number: int) -> Link:
        """The cable with a number, counted round and round."""
        number %= self.links
        first = self.network.network_address + 2 * number
        return Link(f"{self.interface_prefix}{number}", str(first), str(first + 1))

    def release(self) -> None:
        """Give the slice up."""
        os.close(self.lock_fd)


def subdivide(cidr: str, index: int) -> ipaddress.IPv4Network:
    """The part of a range that belongs to a slice index.

    Raises:
        SandboxError: not an IPv4 network, or too small to be cut.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as exc:
        raise SandboxError(f"network_cidr {cidr!r} is not usable: {exc}") from exc
    new_prefix = network.prefixlen + (SLICES - 1).bit_length()
    if new_prefix > 31:
        raise SandboxError(f"network_cidr {cidr!r} is smaller than a /27")
    size = 1 << (32 - new_prefix)
    return ipaddress.IPv4Network((int(network.network_address) + index * size, new_prefix))


def claim(cidr: str, directory: Path = LOCK_DIRECTORY) -> Slice:
    """Claim the first free slice.

    Raises:
        SandboxError: all are taken, or the lock directory cannot be used.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for index in range(SLICES):
            if (claimed := _try_claim(cidr, index, directory)) is not None:
                return claimed
    except OSError as exc:
        raise SandboxError(f"cannot claim a network slice in {directory}: {exc}") from exc
    raise SandboxError(f"{SLICES} lambd processes use {cidr} on this host already")


def claim_abandoned(cidr: str, directory: Path = LOCK_DIRECTORY) -> Iterator[Slice]:
    """Each slice that once was held and is not now, one at a time, to be cleared and released.

    Raises:
        SandboxError: the lock directory cannot be used.
    """
    for index in range(SLICES):
        if (directory / f"{index}.lock").exists():
            try:
                claimed = _try_claim(cidr, index, directory)
            except OSError as exc:
                raise SandboxError(f"cannot look into {directory}: {exc}") from exc
            if claimed is not None:
                yield claimed


def _try_claim(cidr: str, index: int, directory: Path) -> Slice | None:
    """Claim one slice unless somebody holds it."""
    network = subdivide(cidr, index)
    path = directory / f"{index}.lock"
    lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock_fd)
        return None
    return Slice(index, network, lock_fd)
