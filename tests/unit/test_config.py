"""Settings: the order of the sources, every type, and every refusal with its source and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambd.config import ConfigError, Settings, load_settings


def load(
    *, environ: dict[str, str] | None = None, file: Path | None = None, **flags: object
) -> Settings:
    """Load as root would, with nothing set but what the test sets."""
    return load_settings(flags=flags, environ=environ or {}, config_file=file, is_root=True)


def toml(tmp_path: Path, text: str) -> Path:
    """Write a configuration file."""
    path = tmp_path / "lambd.toml"
    path.write_text(text)
    return path


def test_defaults_stand_when_nothing_is_set() -> None:
    """Root with no file, no variables and no flags gets the dataclass's defaults."""
    assert Settings() == load()


def test_an_ordinary_user_gets_folders_of_its_own() -> None:
    """Without root the data and cache directories are below the home directory."""
    settings = load_settings(flags={}, environ={"HOME": "/home/ann"}, is_root=False)
    assert Path("/home/ann/.local/share/lambd") == settings.data_dir
    assert Path("/home/ann/.cache/lambd") == settings.cache_dir


def test_xdg_folders_are_respected() -> None:
    """XDG_DATA_HOME and XDG_CACHE_HOME move an ordinary user's folders."""
    environ = {"HOME": "/home/ann", "XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/c"}
    settings = load_settings(flags={}, environ=environ, is_root=False)
    assert (Path("/d/lambd"), Path("/c/lambd")) == (settings.data_dir, settings.cache_dir)


def test_later_sources_win(tmp_path: Path) -> None:
    """A flag beats a variable, a variable beats the file, the file beats the default."""
    file = toml(tmp_path, 'port = 1\nregion = "eu-west-1"\naccount_id = "111111111111"\n')
    settings = load(
        environ={"LAMBD_PORT": "2", "LAMBD_REGION": "eu-west-2"},
        file=file,
        port=3,
    )
    assert (
        settings.port,
        settings.region,
        settings.account_id,
        settings.driver,
    ) == (3, "eu-west-2", "111111111111", "crun")


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    """None is what click hands over for an absent option."""
    assert load(environ={"LAMBD_PORT": "2"}, port=None).port == 2


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    """LAMBD_CONFIG is used when no --config was given."""
    file = toml(tmp_path, "idle_timeout_s = 5\n")
    assert load(environ={"LAMBD_CONFIG": str(file)}).idle_timeout_s == 5.0


def test_every_type_is_read_from_variables() -> None:
    """Text, whole numbers, numbers, paths and optional values."""
    settings = load(
        environ={
            "LAMBD_HOST": "::1",
            "LAMBD_DATA_DIR": "/srv/lambd",
            "LAMBD_FREEZE_AFTER_S": "0.25",
            "LAMBD_HOST_MEMORY_MIB": "2048",
            "LAMBD_S3_ENDPOINT_URL": "http://127.0.0.1:9000",
            "LAMBD_FUNCTION_ENDPOINT_URL": "",
            "LAMBD_EVENT_RETRY_DELAYS_S": "0, 0.5",
            "LAMBD_HOST_PORTS": "5432, 8000",
        }
    )
    assert Settings(
        host="::1",
        data_dir=Path("/srv/lambd"),
        freeze_after_s=0.25,
        host_memory_mib=2048,
        s3_endpoint_url="http://127.0.0.1:9000",
        function_endpoint_url="",
        event_retry_delays_s=(0.0, 0.5),
        host_ports=(5432, 8000),
    ) == (settings)


def test_an_empty_variable_clears_an_optional_number() -> None:
    """An empty LAMBD_HOST_MEMORY_MIB means the default share of the machine."""
    assert load(environ={"LAMBD_HOST_MEMORY_MIB": ""}).host_memory_mib is None


def test_limits_come_from_their_table(tmp_path: Path) -> None:
    """Given limits change, the others keep AWS's values."""
    limits = load(file=toml(tmp_path, "[limits]\nconcurrent_executions = 10\n")).limits
    assert (limits.concurrent_executions, limits.list_page_items) == (10, 50)


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    """A relative data directory does not depend on where the server was started."""
    assert tmp_path / "data" == load(file=toml(tmp_path, 'data_dir = "data"\n')).data_dir


def test_other_variables_are_left_alone() -> None:
    """The command line's own variables, and other programs', are no settings."""
    environ = {"LAMBD_ENDPOINT_URL": "http://127.0.0.1:1", "PORT": "x", "AWS_REGION": "x"}
    assert Settings() == load(environ=environ)


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        *(
            pytest.param(
                f"event_retry_delays_s = {text}",
                "event_retry_delays_s",
                f"must be a list of numbers of at least 0, not {value}",
                id=f"delays {text}",
            )
            for text, value in (("[]", "[]"), ("[-1]", "[-1]"), ("[true]", "[True]"), ("7", "7"))
        ),
        pytest.param("prt = 1", "prt", "unknown setting (did you mean port?)", id="unknown"),
        pytest.param('port = "1x"', "port", "must be a whole number, not '1x'", id="not a number"),
        pytest.param("port = true", "port", "must be a whole number", id="bool is no number"),
        pytest.param("port = 1.5", "port", "must be a whole number", id="fraction"),
        pytest.param("port = 65536", "port", "between 0 and 65535", id="port range"),
        pytest.param("idle_timeout_s = -1", "idle_timeout_s", "at least 0", id="negative"),
        pytest.param("idle_timeout_s = nan", "idle_timeout_s", "at least 0", id="nan"),
        pytest.param("region = 7", "region", "must be text, not 7", id="not text"),
        pytest.param('region = "mars"', "region", "an AWS region name", id="region"),
        pytest.param('account_id = "12"', "account_id", "twelve digits", id="account"),
        pytest.param('driver = "docker"', "driver", "must be one of crun", id="driver"),
        pytest.param('network = "vpn"', "network", "must be one of masquerade", id="network"),
        pytest.param('network_cidr = "8.8.0.0/16"', "network_cidr", "private", id="public range"),
        pytest.param('network_cidr = "10.0.0.1"', "network_cidr", "wider", id="no range"),
        pytest.param('s3_endpoint_url = "s3"', "s3_endpoint_url", "http://", id="url"),
        pytest.param('log_format = "xml"', "log_format", "auto, console, json", id="log format"),
        pytest.param("limits = 1", "limits", "must be a table", id="limits"),
        pytest.param("[limits]\nlist_page = 1", "limits.list_page", "list_page_items", id="limit"),
        pytest.param(
            "[limits]\nlist_page_items = 'a'", "limits.list_page_items", "whole", id="limit type"
        ),
    ],
)
def test_the_file_is_refused_with_its_name_and_the_key(
    tmp_path: Path, text: str, key: str, problem: str
) -> None:
    """Unknown keys, wrong types and values out of range name the file and the key."""
    file = toml(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file=file)
    assert str(caught.value).startswith(f"{file}: {key}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        pytest.param(
            {"LAMBD_PRT": "1"},
            "LAMBD_PRT: unknown setting (did you mean port?)",
            id="unknown",
        ),
        pytest.param(
            {"LAMBD_PORT": "many"}, "LAMBD_PORT: must be a whole number, not 'many'", id="type"
        ),
        pytest.param(
            {"LAMBD_HOST_PORTS": "80,65536"},
            "LAMBD_HOST_PORTS: must be a list of ports from 1 to 65535, not '80,65536'",
            id="port",
        ),
        pytest.param({"LAMBD_LIMITS": "1"}, "LAMBD_LIMITS: unknown setting", id="limits"),
        pytest.param({"LAMBD_port": "1"}, "LAMBD_port: unknown setting", id="lower case"),
        pytest.param({"LAMBD_DATA_DIR": ""}, "LAMBD_DATA_DIR: must be a path, not ''", id="empty"),
    ],
)
def test_a_variable_is_refused_by_its_name(environ: dict[str, str], message: str) -> None:
    """Misspelt variables and bad values are not passed over."""
    with pytest.raises(ConfigError) as caught:
        load(environ=environ)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", ""])  # noqa: S104 - refused
def test_only_loopback_is_listened_on(host: str) -> None:
    """Any other address is refused until authentication exists, and the flag is named."""
    with pytest.raises(ConfigError, match="until authentication exists") as caught:
        load(host=host)
    assert str(caught.value).startswith("--host: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_accepted(host: str) -> None:
    """All of 127/8, ::1 and the name localhost."""
    assert host == load(host=host).host


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        load(file=tmp_path / "nowhere.toml")


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    """The message keeps the parser's position."""
    with pytest.raises(ConfigError, match=r"not TOML: .*line 1"):
        load(file=toml(tmp_path, "port: 1"))
