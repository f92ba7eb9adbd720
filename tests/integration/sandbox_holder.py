"""A process that holds sandboxes until it is killed; run by `test_sandbox_recovery.py`.

Arguments: OCI runtime, run directory. Prints one JSON object when everything is up.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.integration.sandbox_probe import CIDR, PLATFORM_PORT, Probe, spec

from lambd.sandbox.namespaces import enter_private_mounts
from lambd.sandbox.oci import OciDriver, OciSandbox


async def hold(runtime: str, run_dir: Path) -> None:
    """Start two sandboxes, freeze one, tell, and wait for the end."""
    driver = OciDriver(runtime, run_dir, PLATFORM_PORT, "masquerade", CIDR)
    await driver.open()
    pids = []
    for number in range(2):
        sandbox = await driver.start(spec(f"held-{number}"))
        assert isinstance(sandbox, OciSandbox)
        probe = Probe(sandbox)
        await probe.receive()
        await probe.start("/bin/sleep", "600")
        pids.append(sandbox.pid)
        if number == 0:
            sandbox.freeze()
    claimed = driver._network._slice
    assert claimed is not None
    facts = {
        "pids": pids,
        "table": claimed.table,
        "prefix": claimed.interface_prefix,
        "instance": driver._instance.name,
    }
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    enter_private_mounts()
    asyncio.run(hold(sys.argv[1], Path(sys.argv[2])))
