"""Network slices, firewall rules and name servers: the parts that are only text and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambd.model.errors import SandboxError
from lambd.sandbox.dns import host_resolvers, parse_resolv_conf
from lambd.sandbox.firewall import ruleset
from lambd.sandbox.slices import SLICES, Slice, claim, claim_abandoned, subdivide


def test_slices_cover_the_range_without_overlap() -> None:
    """Sixteen parts, one after the other."""
    parts = [subdivide("10.195.0.0/16", index) for index in range(SLICES)]
    assert str(parts[0]) == "10.195.0.0/20"
    assert str(parts[-1]) == "10.195.240.0/20"
    assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)


@pytest.mark.parametrize("cidr", ["10.0.0.0/28", "10.0.0.1/16", "fd00::/64", "nonsense"])
def test_refuses_ranges_it_cannot_cut(cidr: str) -> None:
    """Too small, with host bits, IPv6, no range at all."""
    with pytest.raises(SandboxError, match="network_cidr"):
        subdivide(cidr, 0)


def test_links_are_point_to_point_and_go_round() -> None:
    """Two addresses each; the number after the last is the first again."""
    claimed = _claimed(3)
    link = claimed.link(5)
    assert link.interface == "lb3-5"
    assert (link.host_address, link.sandbox_address) == ("10.195.48.10", "10.195.48.11")
    assert claimed.link(claimed.links + 5) == link


def test_every_interface_name_fits() -> None:
    """The kernel allows 15 characters."""
    assert len(_claimed(15).link(2047).interface) <= 15


def test_claims_the_first_slice_that_is_free(tmp_path: Path) -> None:
    """Held slices are passed over, released ones come back."""
    first, second = (claim("10.195.0.0/16", tmp_path) for _ in range(2))
    assert (first.index, second.index) == (0, 1)
    first.release()
    again = claim("10.195.0.0/16", tmp_path)
    assert again.index == 0
    again.release()
    second.release()


def test_finds_slices_that_were_abandoned(tmp_path: Path) -> None:
    """Held before and not now; those in use and those never used are left alone."""
    held = [claim("10.195.0.0/16", tmp_path) for _ in range(3)]
    held[1].release()
    found = []
    for abandoned in claim_abandoned("10.195.0.0/16", tmp_path):
        found.append(abandoned.index)
        abandoned.release()
    assert found == [1]
    held[0].release()
    held[2].release()


def test_refuses_when_all_slices_are_held(tmp_path: Path) -> None:
    """So many lambds on one host and no more."""
    held = [claim("10.195.0.0/16", tmp_path) for _ in range(SLICES)]
    with pytest.raises(SandboxError, match="16 lambd processes"):
        claim("10.195.0.0/16", tmp_path)
    for one in held:
        one.release()


def test_rules_close_the_host_the_neighbours_and_the_metadata_service() -> None:
    """What comes from a sandbox's interface is refused before it is accepted."""
    text = ruleset(_claimed(0))
    forward = text[text.index("chain forward") :]
    accepted = forward.index('iifname "lb0-*" accept')
    for rule in (
        'oifname "lb*" jump refuse',
        "169.254.0.0/16",
        "ipv6 jump refuse",
        "saddr != 10.195.0.0/20",
    ):
        assert 0 < forward.index(rule) < accepted
    inwards = text[: text.index("chain forward")]
    assert 'iifname "lb0-*" jump refuse' in inwards
    assert "dnat ip" not in inwards
    assert " } accept" not in inwards


def test_chosen_ports_of_the_host_are_open() -> None:
    """At the host's end of the cable, and led on to its loopback; no others."""
    text = ruleset(_claimed(0), (5432, 8000))
    opened = "ct status dnat meta l4proto { tcp, udp } th dport { 5432, 8000 } accept"
    assert opened in text[: text.index('iifname "lb0-*" jump refuse')]
    assert "ip daddr 10.195.0.0/20 fib daddr type local" in text


def test_reads_name_servers_in_order() -> None:
    """Comments and other settings are passed over."""
    text = "# nameserver 192.0.2.1\nsearch x\nnameserver 192.0.2.2\n nameserver fd00::1\n"
    assert parse_resolv_conf(text) == [("192.0.2.2", 53), ("fd00::1", 53)]


def test_asks_the_own_host_where_none_is_named(tmp_path: Path) -> None:
    """As resolv.conf(5) has it; without the file there are no names."""
    assert parse_resolv_conf("search x\n") == [("127.0.0.1", 53)]
    assert host_resolvers(tmp_path / "none") == []


def _claimed(index: int) -> Slice:
    """A slice that nobody holds."""
    return Slice(index, subdivide("10.195.0.0/16", index), -1)
