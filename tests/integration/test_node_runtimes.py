"""Node.js runtimes prepared for real, and the interpreters that they start with."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.sandbox_probe import opened_driver, spec, started

from lambd.model.arns import Scope
from lambd.runtimes import init_interpreter, node_interpreters
from lambd.runtimes.cache import Cache
from lambd.runtimes.prepared_runtime import RuntimeUnavailableError
from lambd.runtimes.provision import Provisioner
from lambd.sandbox.driver import Mount


def fake_node(prefix: Path, version: str, *libraries: str) -> Path:
    """A program that answers the probe as Node.js does."""
    program = prefix / "bin" / "node"
    program.parent.mkdir(parents=True)
    facts = {
        "version": [int(part) for part in version.split(".")],
        "executable": str(program),
        "libraries": libraries,
    }
    program.write_text(f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
    program.chmod(0o755)
    return program


def test_the_newest_release_that_fits_is_chosen(tmp_path: Path) -> None:
    """A version manager's, whatever else is on PATH."""
    fake_node(tmp_path / "old", "24.1.0")
    fake_node(tmp_path / "other", "22.20.0")
    versions = tmp_path / ".nvm/versions/node"
    newest = fake_node(versions / "v24.9.1", "24.9.1", f"{versions}/v24.9.1/lib/libx.so")
    fake_node(versions / "v24.10.0", "24.10.0", "/nowhere/libx.so.1")
    environ = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/old/bin:{tmp_path}/other/bin"}

    found = node_interpreters.find(24, environ)

    assert found is not None
    assert (found.version, found.executable) == ((24, 9, 1), newest.resolve())
    assert not found.is_system


@pytest.mark.parametrize(
    ("version", "name"),
    [
        pytest.param("22.14.0", "node", id="too old"),
        pytest.param("20.19.0", "node", id="another version"),
        pytest.param("22.20.0", "nodejs", id="another name"),
    ],
)
def test_what_cannot_serve_functions_is_passed_over(
    tmp_path: Path, version: str, name: str
) -> None:
    """Then Node.js comes from npm."""
    program = fake_node(tmp_path, version)
    renamed = program.rename(program.with_name(name))
    renamed.write_text(renamed.read_text().replace('bin/node"', f'bin/{name}"'))

    assert node_interpreters.probe(renamed, 22) is None


def test_a_program_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    """A shim of a version manager that has no such version."""
    broken = tmp_path / "node"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)

    assert node_interpreters.probe(broken, 24) is None


@pytest.mark.slow
# Everything comes from registries, and thousands of files from their archives.
@pytest.mark.timeout(180)
async def test_a_machine_without_npm_gets_one(tmp_path: Path) -> None:
    """Node.js and AWS's client are installed without npm on PATH, and only where they belong."""
    without = {**os.environ, "PATH": "/nowhere"}
    provisioner = Provisioner(tmp_path / "cache", without)

    scope = Scope(account_id="0" * 12, region="us-east-1")
    arn = await provisioner.version_arn("nodejs24.x", scope)
    runtime = await provisioner.prepare("nodejs24.x")

    assert runtime.version_arn(scope) == arn
    assert await provisioner.prepare("nodejs24.x") is runtime
    node = runtime.interpreter_root / "bin/node"
    assert node_interpreters.probe(node, 24) is not None
    packages = runtime.runtime_dir / "node_modules"
    assert (packages / "@aws-sdk/client-s3/package.json").is_file()
    assert (packages / "aws-lambda-ric/rapid-client.node/rapid_client.js").is_file()
    assert not (packages / "node-gyp").exists()
    assert not list((tmp_path / "cache").glob("*/*building*"))
    report = {status.identifier: status for status in await provisioner.available()}
    assert report["nodejs24.x"].is_installed


async def test_failed_installation_says_what_npm_said(tmp_path: Path) -> None:
    """Without a registry the reason has npm's own error, and nothing half-made stays."""
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 10.0.0 && exit\necho no way >&2\nexit 1\n'
    )
    npm.chmod(0o755)
    environ = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin"}

    with pytest.raises(RuntimeUnavailableError, match="could not be installed: no way They come"):
        await Provisioner(tmp_path / "cache", environ).prepare("nodejs26.x")

    assert not list((tmp_path / "cache" / "interpreters").glob("node*"))


@pytest.mark.oci
async def test_init_runs_on_lambds_own_python_where_the_system_has_none(tmp_path: Path) -> None:
    """It is shown at a place of its own, without its owner's packages."""
    init = init_interpreter.find(Cache(tmp_path / "cache"), Path("/nowhere/python3"))
    base = spec()
    mounts = [Mount(source=source, target=target) for source, target in init.overlays]
    wanted = replace(
        base,
        init_argv=(*init.argv[:-1], "/var/runtime/init.py"),
        init_environment=init.environment,
        mounts=(*base.mounts, *mounts),
    )
    async with opened_driver(tmp_path / "run") as driver, started(driver, wanted) as probe:
        outcome = await probe.run("/bin/sh", "-c", "echo started")
        assert outcome.output == "started\n"
