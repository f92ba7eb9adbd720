"""AWS Lambda Web Adapter, built from its crate: AWS gives its binary away in images only.

`python -m tests.acceptance.web_adapter` builds it ahead of the test that needs it; it is kept in the
cache directory. Needs cargo.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

VERSION = "1.0.0-rc1"
_ROOT = Path("/var/cache/lambd/tests") / f"lambda-web-adapter-{VERSION}"


def build() -> Path:
    """The program; whoever asks while another builds it waits for that."""
    program = _ROOT / "bin" / "lambda-adapter"
    _ROOT.mkdir(parents=True, exist_ok=True)
    with (_ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            command = ["cargo", "install", "lambda_web_adapter", "--version", f"={VERSION}"]
            # Not optimised: that would take three times as long.
            command += ["--locked", "--debug", "--quiet", "--root", str(_ROOT)]
            lean = {"CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_DEV_STRIP": "symbols"}
            built = subprocess.run(
                command, env={**os.environ, **lean}, capture_output=True, text=True, check=False
            )
            if built.returncode != 0:
                raise RuntimeError(f"{' '.join(command)} failed:\n{built.stderr[-4000:]}")
    return program


if __name__ == "__main__":
    build()
