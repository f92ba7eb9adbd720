"""The nftables table that decides where sandboxes' packets may go; pure text plus `nft -f -`.

From a sandbox: nothing to the host itself, nothing to other sandboxes, nothing link-local (cloud
hosts answer with credentials at 169.254.169.254), everything else goes out under the host's
address. To a sandbox: answers only. Chains run before the common filter priority, and a drop in
any table is final.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import structlog

from lambd.model.errors import SandboxError
from lambd.sandbox.slices import Slice

_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_NFT_TIMEOUT_S = 20

_log = structlog.get_logger(__name__)


def ruleset(claimed: Slice) -> str:
    """Commands that (re)create a slice's table."""
    own = f'"{claimed.interface_prefix}*"'
    return f"""\
table inet {claimed.table}
delete table inet {claimed.table}
table inet {claimed.table} {{
    chain input {{
        type filter hook input priority filter - 10; policy accept;
        iifname {own} drop
    }}
    chain forward {{
        type filter hook forward priority filter - 10; policy accept;
        iifname {own} oifname "lb*" drop
        iifname {own} ip saddr != {claimed.network} drop
        iifname {own} ip daddr {{ 127.0.0.0/8, 169.254.0.0/16 }} drop
        iifname {own} meta nfproto ipv6 drop
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


def install(claimed: Slice, nft: str) -> None:
    """Put the rules in place and let the host forward packets.

    Raises:
        SandboxError: nft failed.
    """
    _run_nft(nft, ruleset(claimed))
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
