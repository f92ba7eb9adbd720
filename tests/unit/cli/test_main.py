"""`lambd serve`'s settings, and how commands end."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lambd.cli.exit_status import ExitStatus
from lambd.cli.main import cli
from lambd.cli.outside import Outside
from lambd.config import Settings


def serve(*arguments: str, environ: dict[str, str] | None = None) -> tuple[Result, list[Settings]]:
    """Run `lambd serve` with a server that only notes what it was given and ends with 7."""
    seen: list[Settings] = []

    def run(settings: Settings) -> int:
        seen.append(settings)
        return 7

    outside = Outside(environ=environ or {"HOME": "/home/ann"}, serve=run)
    return CliRunner().invoke(cli, ["serve", *arguments], obj=outside), seen


def test_serve_hands_over_the_settings_and_the_exit_status(tmp_path: Path) -> None:
    """File, variables and flags meet in one Settings; the server's status is the command's."""
    file = tmp_path / "lambd.toml"
    file.write_text('region = "eu-west-1"\nport = 1\n')
    result, seen = serve(
        "--config", str(file), "--port", "3", environ={"LAMBD_DRIVER": "runc", "LAMBD_PORT": "2"}
    )
    assert result.exit_code == 7
    assert [(s.region, s.driver, s.port) for s in seen] == [("eu-west-1", "runc", 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--host", "10.0.0.1"], "until authentication exists", id="address"),
        pytest.param(["--port", "http"], "Error: --port: must be a whole number", id="port"),
        pytest.param(["--driver", "vm"], "Error: --driver: must be one of", id="driver"),
        pytest.param(["--config", "/nowhere.toml"], "/nowhere.toml: No such file", id="file"),
        pytest.param(["--prot", "1"], "No such option", id="option"),
    ],
)
def test_serve_refuses_what_it_cannot_use(arguments: list[str], message: str) -> None:
    """One line that names the flag, status 2, and no server."""
    result, seen = serve(*arguments)
    assert result.exit_code == ExitStatus.USAGE
    assert message in result.stderr
    assert seen == []


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    """boto3's own complaint, as a usage error."""
    result = CliRunner().invoke(cli, ["functions", "--endpoint-url", "nonsense"])
    assert result.exit_code == ExitStatus.USAGE
