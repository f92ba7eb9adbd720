"""The nftables table that decides where sandboxes' packets may go; pure text plus `nft -f -`.

From a sandbox: nothing to the host itself but the ports that the operator opened, nothing to other
sandboxes, nothing link-local (cloud hosts answer with credentials at 169.254.169.254), everything
else goes out under the host's address. What may not go is refused at once, so that no client waits
for its time-out. To a sandbox: answers only. Chains run before the common filter priority, and a
drop in any table is final.

The host's open ports are reached at its end of the sandbox's cable. Packets there are led on to
127.0.0.1, where a developer's servers often listen alone; others listen at every address.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import structlog

from lambd.model.errors import SandboxError
from lambd.sandbox.slices import Slice

_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_CONF = Path("/proc/sys/net/ipv4/conf")
_NFT_TIMEOUT_S = 20

_log = structlog.get_logger(__name__)


def ruleset(claimed: Slice, host_ports: Sequence[int] = ()) -> str:
    """Commands that (re)create a slice's table."""
    own = f'"{claimed.interface_prefix}*"'
    lead_on, accept = _openings(claimed, host_ports)
    return f"""\
table inet {claimed.table}
delete table inet {claimed.table}
table inet {claimed.table} {{
    chain refuse {{
        meta l4proto tcp reject with tcp reset
        reject with icmpx port-unreachable
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat - 10; policy accept;{lead_on}
    }}
    chain input {{
        type filter hook input priority filter - 10; policy accept;{accept}
        iifname {own} jump refuse
    }}
    chain forward {{
        type filter hook forward priority filter - 10; policy accept;
        iifname {own} oifname "lb*" jump refuse
        iifname {own} ip saddr != {claimed.network} drop
        iifname {own} ip daddr {{ 127.0.0.0/8, 169.254.0.0/16 }} jump refuse
        iifname {own} meta nfproto ipv6 jump refuse
        iifname {own} accept
        oifname {own} ct state established,related accept
        oifname {own} drop
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        iifname {own} masquerade
    }}
}}
"""


def _openings(claimed: Slice, host_ports: Sequence[int]) -> tuple[str, str]:
    """Rules that lead packets to open ports on to the loopback, and that let those in."""
    if not host_ports:
        return "", ""
    own = f'iifname "{claimed.interface_prefix}*"'
    ports = f"meta l4proto {{ tcp, udp }} th dport {{ {', '.join(map(str, host_ports))} }}"
    lead_on = f"""
        {own} ip daddr {claimed.network} fib daddr type local {ports} dnat ip to 127.0.0.1"""
    # Nobody but us may have chosen the loopback.
    accept = f"""
        {own} ip daddr 127.0.0.0/8 ct status dnat {ports} accept
        {own} ip daddr != 127.0.0.0/8 {ports} accept"""
    return lead_on, accept


def allow_loopback_targets(interface: str) -> None:
    """Have packets from an interface that are led on to 127.0.0.1 not be dropped as martians.

    Raises:
        OSError: not permitted.
    """
    (_CONF / interface / "route_localnet").write_text("1")


def install(claimed: Slice, nft: str, host_ports: Sequence[int] = ()) -> None:
    """Put the rules in place and let the host forward packets.

    Raises:
        SandboxError: nft failed.
    """
    _run_nft(nft, ruleset(claimed, host_ports))
    if _IP_FORWARD.read_text().strip() != "1":
        try:
            _IP_FORWARD.write_text("1")
        except OSError as exc:
            raise SandboxError(f"cannot switch {_IP_FORWARD} on: {exc}") from exc
        _log.warning(
            "IPv4 forwarding has been switched on for the whole host, sandboxes need it",
            action="ip-forward-enabled",
            file=str(_IP_FORWARD),
        )


def remove(claimed: Slice, nft: str) -> None:
    """Remove the table, if it is there.

    Raises:
        SandboxError: nft failed.
    """
    _run_nft(nft, f"table inet {claimed.table}\ndelete table inet {claimed.table}\n")


def _run_nft(nft: str, commands: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            [nft, "-f", "-"],
            input=commands,
            capture_output=True,
            text=True,
            timeout=_NFT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise SandboxError(f"nft cannot be run: {exc}") from exc
    if done.returncode != 0:
        raise SandboxError(f"nft failed: {done.stderr.strip()[:500]}")
