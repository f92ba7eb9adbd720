"""Settings of a platform: one frozen dataclass, every field with unit and default.

Sources, later ones win: the defaults here, a TOML file, `LAMBD_*` environment variables, flags.
Every field can be set in each of them under its own name (`port`, `LAMBD_PORT`), save that a flag
exists only where `lambd serve --help` shows one, and `[limits]` only in the file. Whatever cannot
be used is refused with its source and key; nothing is guessed or ignored.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import get_args, get_type_hints

from lambd.model.limits import Limits

DRIVERS = ("crun", "runc", "runsc", "process")
NETWORKS = ("masquerade", "none")
CPU_LIMITS = ("weight", "quota")
LOG_FORMATS = ("auto", "console", "json")


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
    # One of DRIVERS.
    driver: str = "crun"
    # Processor time of sandboxes by their memory (1,769 MiB is one vCPU), one of CPU_LIMITS:
    # `weight` shares it out when they compete, `quota` never gives more, as on AWS.
    cpu: str = "weight"
    # Outbound network of sandboxes, one of NETWORKS.
    network: str = "masquerade"
    # Range that sandboxes' addresses are taken from when masqueraded.
    network_cidr: str = "10.195.0.0/16"
    # Ports of this machine, TCP and UDP, that functions reach at host.docker.internal, also where a
    # server listens on 127.0.0.1 only. All others refuse them.
    host_ports: tuple[int, ...] = ()
    # Where other services are: S3 for code and destinations, SQS, SNS and EventBridge for the
    # outcome of asynchronous invocations. `aws_endpoint_url` is for those that have none of their
    # own; None: AWS's endpoint of the region.
    aws_endpoint_url: str | None = None
    s3_endpoint_url: str | None = None
    sqs_endpoint_url: str | None = None
    sns_endpoint_url: str | None = None
    events_endpoint_url: str | None = None
    # AWS_ENDPOINT_URL inside environments; None: the platform's own API, "" : not set.
    function_endpoint_url: str | None = None
    # Credentials that functions get. On AWS they are temporary ones, so code expects a session token;
    # with a long-lived key of AWS's own, which has none, it must be "": not set.
    function_access_key_id: str = "lambd"
    function_secret_access_key: str = "lambd"  # noqa: S105 - a placeholder, not a secret
    function_session_token: str = "lambd"  # noqa: S105 - a placeholder, not a secret
    # Keys of the account that requests may be signed with, beside the one that functions get, each
    # `ID:SECRET`. Function URLs with AuthType AWS_IAM ask for one; the API does not yet.
    access_keys: tuple[str, ...] = ()
    # Host names at which clients reach the API, beside loopback ones: of a proxy in front of it, say.
    # By any other name it is not there, so that no web page can have its own name lead to it.
    allowed_hosts: tuple[str, ...] = ()
    # Function URLs are `<id>.lambda-url.<region>.<url_domain>`; with a certificate (PEM, with its
    # chain) and its key they are also served, and announced, by TLS at a port of their own.
    url_domain: str = "localhost"
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_port: int = 4567
    # Idle environments: frozen after (0: at the end of each invocation), removed after.
    freeze_after_s: float = 0.01
    idle_timeout_s: float = 600.0
    # Memory that environments may hold together, MiB; None: nine tenths of the machine's.
    host_memory_mib: int | None = None
    # How much of that may be promised: the sum of all environments' memory sizes is at most so many
    # times host_memory_mib. What they really use together never exceeds it.
    memory_overcommit: float = 2.0
    # Environments that one function version may have; more requests wait. None: as many as needed.
    max_environments_per_function: int | None = None
    # Delays before an asynchronous invocation that failed is attempted again: the second attempt,
    # the third; AWS's are one minute and two.
    event_retry_delays_s: tuple[float, ...] = (60.0, 120.0)
    # Delay before an asynchronous invocation that was throttled, or met a fault of the platform, is
    # tried again, and before a destination is; doubled each time, up to five minutes.
    event_backoff_s: float = 1.0
    # Asynchronous invocations of one function that run together at most; others wait on disk.
    max_events_per_function: int = 500
    # How long the event loop stays awake after a message while there is a processor to spare,
    # microseconds; 0: it sleeps at once.
    busy_poll_us: int = 100
    # Utilisation of provisioned concurrency is averaged over so long for scaling policies, which
    # take three such periods to scale out and fifteen to scale in; AWS's are a minute.
    autoscaling_period_s: float = 60.0
    # How long a new function is at least Pending and an update InProgress, so that callers who do
    # not wait for it notice, as they would on AWS, where it takes longer.
    state_window_s: float = 0.5
    # How long SIGTERM waits for running invocations.
    drain_timeout_s: float = 30.0
    # How the platform's own log is written to stderr, one of LOG_FORMATS; auto: console on a
    # terminal, else JSON.
    log_format: str = "auto"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value as one source gave it: a flag's or variable's text, or a TOML value."""

    # How a person would name the source: `--port`, `LAMBD_PORT`, `lambd.toml`.
    source: str
    value: object
    # Relative paths start here.
    base: Path


class ConfigError(Exception):
    """A setting that cannot be used; the message names its source and its key."""

    def __init__(self, source: str, key: str, problem: str) -> None:
        super().__init__(f"{source}: {key}: {problem}" if source != key else f"{key}: {problem}")
        self.source = source
        self.key = key


def load_settings(
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    config_file: Path | None = None,
    is_root: bool,
) -> Settings:
    """Put the settings together from all sources.

    Args:
        flags: field name -> value as given on the command line; absent or None: not given.
        environ: the process's environment; only `LAMBD_*` is read, and `HOME` and `XDG_*` for
            the folders of an ordinary user.
        config_file: the TOML file; None: the one `LAMBD_CONFIG` names, or none.
        is_root: whether the system's own folders are the default ones.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value of the wrong type or
            outside its range, or an address that is not loopback.
    """
    if config_file is None and environ.get("LAMBD_CONFIG"):
        config_file = Path(environ["LAMBD_CONFIG"])
    values: dict[str, object] = {} if is_root else _user_folders(environ)
    if config_file is not None:
        values |= _from_file(config_file)
    values |= _from_environment(environ)
    values |= {
        key: _parse_setting(key, Setting(_flag_name(key), value, Path.cwd()))
        for key, value in flags.items()
        if value is not None
    }
    return replace(Settings(), **values)  # type: ignore[arg-type]  # each was parsed to its field


def _flag_name(key: str) -> str:
    return "--" + key.replace("_", "-")


def _user_folders(environ: Mapping[str, str]) -> dict[str, object]:
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return {"data_dir": data / "lambd", "cache_dir": cache / "lambd"}


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, text in environ.items():
        if not name.startswith(_PREFIX) or name in _OTHER_VARIABLES:
            continue
        key = name.removeprefix(_PREFIX).lower()
        if key not in _TYPES or key == "limits" or name != name.upper():
            raise ConfigError(name, name, "unknown setting" + _suggestion(key))
        values[key] = _parse_setting(key, Setting(name, text, Path.cwd()))
    return values


def _from_file(path: Path) -> dict[str, object]:
    source = str(path)
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as exc:
        raise ConfigError("--config", source, exc.strerror or str(exc)) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError("--config", source, f"not TOML: {exc}") from exc
    values: dict[str, object] = {}
    for key, value in document.items():
        if key == "limits":
            values[key] = _parse_limits(source, value)
        elif key in _TYPES:
            values[key] = _parse_setting(key, Setting(source, value, path.absolute().parent))
        else:
            raise ConfigError(source, key, "unknown setting" + _suggestion(key))
    return values


def _parse_limits(source: str, table: object) -> Limits:
    if not isinstance(table, dict):
        raise ConfigError(source, "limits", "must be a table")
    names = [field.name for field in fields(Limits)]
    for key, value in table.items():
        if key not in names:
            raise ConfigError(source, f"limits.{key}", "unknown limit" + _suggestion(key, names))
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigError(source, f"limits.{key}", f"must be a whole number, not {value!r}")
    return Limits(**table)


def _suggestion(key: str, names: Iterable[str] | None = None) -> str:
    close = difflib.get_close_matches(key, list(_TYPES if names is None else names), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _parse_setting(key: str, setting: Setting) -> object:
    try:
        value = _coerce(_TYPES[key], setting)
        if value is not None and key in _RULES:
            _RULES[key](value)
    except ValueError as exc:
        raise ConfigError(setting.source, _key_in(setting.source, key), str(exc)) from exc
    return value


def _key_in(source: str, key: str) -> str:
    return source if source.startswith(("--", _PREFIX)) else key


def _coerce(kind: object, setting: Setting) -> object:
    """Turn a flag's or variable's text, or a TOML value, into a field's type."""
    options = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    value = setting.value
    if value == "" and NoneType in options and str not in options:
        return None
    if Path in options and isinstance(value, str | Path) and str(value):
        return setting.base / Path(value).expanduser()
    if str in options and isinstance(value, str):
        return value
    if kind in _LISTS:
        return _LISTS[kind](value)
    if (int in options or float in options) and not isinstance(value, bool):
        number = int if int in options else float
        if isinstance(value, str):
            return _number(number, value)
        if isinstance(value, (int,) if number is int else (int, float)):
            return number(value)
    raise ValueError(f"must be {_NAMES[options[0]]}, not {value!r}")


def _numbers(value: object) -> tuple[float, ...]:
    """Durations: a TOML list, or text with commas; at least one."""
    items = value.split(",") if isinstance(value, str) else value
    problem = f"must be a list of numbers of at least 0, not {value!r}"
    if not isinstance(items, list | tuple) or any(isinstance(item, bool) for item in items):
        raise ValueError(problem)
    try:
        numbers = tuple(float(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError(problem) from None
    if not numbers or not all(0 <= number < math.inf for number in numbers):
        raise ValueError(problem)
    return numbers


def _texts(value: object) -> tuple[str, ...]:
    """A TOML list, or text with commas."""
    items = [item for item in value.split(",") if item] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"must be a list of texts, not {value!r}")
    return tuple(items)


def _ports(value: object) -> tuple[int, ...]:
    """A TOML list, or text with commas."""
    items = [item for item in value.split(",") if item] if isinstance(value, str) else value
    texts = [str(item).strip() for item in items] if isinstance(items, list | tuple) else [""]
    if not all(re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 65536 for text in texts):
        raise ValueError(f"must be a list of ports from 1 to 65535, not {value!r}")
    return tuple(dict.fromkeys(map(int, texts)))


_LISTS: Mapping[object, Callable[[object], object]] = {
    tuple[int, ...]: _ports,
    tuple[float, ...]: _numbers,
    tuple[str, ...]: _texts,
}


def _number(kind: type[int] | type[float], text: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"must be {_NAMES[kind]}, not {text!r}") from None


def _one_of(*names: str) -> Callable[[object], None]:
    def check(value: object) -> None:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}, not {value!r}")

    return check


def _between(low: float, high: float) -> Callable[[object], None]:
    def check(value: object) -> None:
        if not (isinstance(value, int | float) and low <= value <= high):
            limit = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
            raise ValueError(f"must be {limit}, not {value!r}")

    return check


def _matching(pattern: str, meaning: str) -> Callable[[object], None]:
    def check(value: object) -> None:
        if re.fullmatch(pattern, str(value)) is None:
            raise ValueError(f"must be {meaning}, not {value!r}")

    return check


def _check_access_keys(value: object) -> None:
    for key in value if isinstance(value, tuple) else ():
        if re.fullmatch(r"\w{1,128}:\S+", key) is None:
            # Not with the key in it: messages end in logs.
            raise ValueError("must be ID:SECRET each, the ID of letters, digits and underscores")


def _check_host_names(value: object) -> None:
    for name in value if isinstance(value, tuple) else ():
        if re.fullmatch(r"[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\]", name) is None:
            raise ValueError(f"must be host names without ports, not {name!r}")


def _check_loopback(value: object) -> None:
    try:
        is_loopback = value == "localhost" or ipaddress.ip_address(str(value)).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(
            f"{value!r} is not a loopback address: until authentication exists the server listens "
            "on 127.0.0.1, ::1 or localhost only"
        )


def _check_network(value: object) -> None:
    network = ipaddress.ip_network(str(value))
    if network.version != 4 or not network.is_private or network.prefixlen > 24:
        raise ValueError(f"must be a private IPv4 range of /24 or wider, not {value!r}")


_PREFIX = "LAMBD_"
# Read by others than the server: the file's name, the command line's own endpoint.
_OTHER_VARIABLES = frozenset({"LAMBD_CONFIG", "LAMBD_ENDPOINT_URL"})
_TYPES: dict[str, object] = get_type_hints(Settings)
_NAMES: dict[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    Path: "a path",
}
_RULES: dict[str, Callable[[object], None]] = {
    "host": _check_loopback,
    "port": _between(0, 65535),
    "region": _matching(r"(eusc-)?[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-\d", "an AWS region name"),
    "account_id": _matching(r"\d{12}", "twelve digits"),
    "driver": _one_of(*DRIVERS),
    "network": _one_of(*NETWORKS),
    "cpu": _one_of(*CPU_LIMITS),
    "network_cidr": _check_network,
    **{
        f"{service}_endpoint_url": _matching(r"https?://\S+", "an http:// or https:// URL")
        for service in ("aws", "s3", "sqs", "sns", "events")
    },
    "max_events_per_function": _between(1, math.inf),
    "function_endpoint_url": _matching(r"(https?://\S+)?", "an http:// or https:// URL, or empty"),
    "access_keys": _check_access_keys,
    "allowed_hosts": _check_host_names,
    "url_domain": _matching(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9-]+", "a domain name"),
    "tls_port": _between(0, 65535),
    "freeze_after_s": _between(0, math.inf),
    "idle_timeout_s": _between(0, math.inf),
    "host_memory_mib": _between(128, math.inf),
    "memory_overcommit": _between(1, 100),
    "max_environments_per_function": _between(1, math.inf),
    "busy_poll_us": _between(0, 10_000),
    "autoscaling_period_s": _between(0.1, 3600),
    "state_window_s": _between(0, 60),
    "drain_timeout_s": _between(0, math.inf),
    "log_format": _one_of(*LOG_FORMATS),
}
