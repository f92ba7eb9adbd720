"""Settings of a platform: one frozen dataclass, every field with unit and default.

Sources, later ones win: the defaults here, a TOML file, `LAMBD_*` environment variables, flags.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lambd.model.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. Durations in seconds."""

    host: str = "127.0.0.1"
    port: int = 4566
    data_dir: Path = Path("/var/lib/lambd")
    # Interpreters' client libraries, shared between data directories.
    cache_dir: Path = Path("/var/cache/lambd")
    region: str = "us-east-1"
    account_id: str = "000000000000"
    # crun, runc, runsc or process.
    driver: str = "crun"
    # Outbound network of sandboxes: masquerade or none.
    network: str = "masquerade"
    # Range that sandboxes' addresses are taken from when masqueraded.
    network_cidr: str = "10.195.0.0/16"
    # Where S3 is, for S3 code sources; None: AWS's own endpoint of the region.
    s3_endpoint_url: str | None = None
    # AWS_ENDPOINT_URL inside environments; None: the platform's own API, "" : not set.
    function_endpoint_url: str | None = None
    # Credentials that functions get.
    function_access_key_id: str = "lambd"
    function_secret_access_key: str = "lambd"  # noqa: S105 - a placeholder, not a secret
    # Idle environments: frozen after, removed after.
    freeze_after_s: float = 0.5
    idle_timeout_s: float = 600.0
    # Memory that environments may hold together, MiB; None: nine tenths of the machine's.
    host_memory_mib: int | None = None
    # How long SIGTERM waits for running invocations.
    drain_timeout_s: float = 30.0
    limits: Limits = field(default_factory=Limits)
