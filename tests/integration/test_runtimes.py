"""Runtimes prepared for real: interpreters of this machine running AWS's client."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import stat
import sys
import time
from pathlib import Path

import pytest

from lambd.model.arns import Scope
from lambd.runtimes import interpreters
from lambd.runtimes.interpreters import Interpreter, Rejected
from lambd.runtimes.prepared_runtime import PreparedRuntime, RuntimeUnavailableError
from lambd.runtimes.provision import Provisioner
from lambd.telemetry.log_frames import LogParser

OWN = f"python{sys.version_info[0]}.{sys.version_info[1]}"
HANDLER = """
import ctypes, json, logging, os, ssl, sys, time

def handler(event, context):
    import boto3
    logging.getLogger().warning("logged")
    print("printed")
    return {
        "event": event,
        "path": sys.path,
        "version": list(sys.version_info[:2]),
        "executable": sys.executable,
        "boto3": boto3.__file__,
        "pythonpath": os.environ["PYTHONPATH"],
        "exit": callable(exit),
        "timezone": time.tzname[0],
    }
"""
# Shows what a sandbox shows: /usr, the interpreter at /var/lang and the runtime at /var/runtime.
ROOT = """
set -e
mount -t tmpfs none "$ROOT"; cd "$ROOT"
mkdir -p usr var/lang var/runtime var/task dev tmp
mount --bind /usr usr
ln -s usr/bin usr/lib usr/lib64 .
mount --bind "$LANG_SOURCE" var/lang
mount --bind "$RUNTIME_SOURCE" var/runtime
mount --bind "$TASK_SOURCE" var/task
for target in $OVERLAYS; do mount --bind "$EMPTY" "$ROOT$target"; done
exec chroot --userspec=993:990 "$ROOT" /usr/bin/env -i -C /var/task "$@"
"""


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests: libraries are installed once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def provisioner(cache_dir: Path) -> Provisioner:
    """A provisioner that has yet to look at the machine."""
    return Provisioner(cache_dir)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A task root with one function, readable for everybody."""
    root = tmp_path / "task"
    root.mkdir(mode=0o755)
    (root / "app.py").write_text(HANDLER)
    return root


class RuntimeApi:
    """Just enough of the Runtime API to run one invocation."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection; the second `next` is never answered."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *headers = head.decode().split("\r\n")
                method, path, _ = line.split(" ")
                if method == "GET":
                    if self.posted:
                        self.done.set()
                        await reader.read()
                        return
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        b"Lambda-Runtime-Aws-Request-Id: r1\r\n"
                        b"Lambda-Runtime-Deadline-Ms: 9999999999999\r\n"
                        b'Content-Length: 7\r\n\r\n{"a":1}'
                    )
                    continue
                length = next(
                    int(text.split(":")[1])
                    for text in headers
                    if text.lower().startswith("content-length:")
                )
                self.posted.append((path, await reader.readexactly(length)))
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                if path.endswith("/init/error"):
                    self.done.set()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


async def run_once(
    argv: tuple[str, ...], environment: dict[str, str], cwd: Path | None = None
) -> tuple[RuntimeApi, str]:
    """Run a runtime process for one invocation; what it posted and wrote, as latin-1.

    `@api` in `argv` stands for the variable that holds the Runtime API's address.
    """
    api = RuntimeApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    async with asyncio.timeout(30), server, asyncio.TaskGroup() as group:
        port = server.sockets[0].getsockname()[1]
        address = f"127.0.0.1:{port}"
        process = await asyncio.create_subprocess_exec(
            *(f"AWS_LAMBDA_RUNTIME_API={address}" if part == "@api" else part for part in argv),
            env={**environment, "AWS_LAMBDA_RUNTIME_API": address},
            cwd=cwd,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

        async def kill_when_done() -> None:
            await api.done.wait()
            process.kill()

        killer = group.create_task(kill_when_done())
        output, _ = await process.communicate()
        killer.cancel()
    return api, output.decode("latin-1")


def variables(runtime: PreparedRuntime, task_root: str, runtime_dir: str) -> dict[str, str]:
    """The environment variables that matter to bootstrap.py."""
    return {
        **runtime.init_environment,
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": runtime_dir,
        "_HANDLER": "app.handler",
    }


@pytest.mark.slow
async def test_interpreter_runs_a_function_through_awss_client(
    provisioner: Provisioner, task: Path
) -> None:
    """bootstrap.py gives the handler AWS's search path and a boto3 of the runtime's."""
    runtime = await provisioner.prepare(OWN)
    program = runtime.interpreter_root / "bin" / OWN
    runtime_dir = str(runtime.runtime_dir)

    api, output = await run_once(
        (str(program), "-S", f"{runtime_dir}/bootstrap.py"),
        variables(runtime, str(task), runtime_dir),
        cwd=task,
    )

    assert api.posted, output
    path, body = api.posted[0]
    answer = json.loads(body)
    assert path == "/2018-06-01/runtime/invocation/r1/response"
    assert answer["event"] == {"a": 1}
    assert answer["path"][0] == str(task)
    assert answer["boto3"].startswith(runtime_dir)
    assert answer["pythonpath"] == runtime_dir
    assert answer["exit"] is True
    assert "printed\n" in output
    assert "\tr1\tlogged\n" in output


@pytest.mark.slow
async def test_client_imported_before_reads_its_log_settings_again(
    provisioner: Provisioner, task: Path
) -> None:
    """An init that has AWS's client imported, without the function's settings, is no worse."""
    runtime = await provisioner.prepare(OWN)
    runtime_dir = str(runtime.runtime_dir)
    preloaded = (
        f"import sys; sys.path.insert(0, {runtime_dir!r}); import awslambdaric.__main__, os, runpy;"
        "os.environ['AWS_LAMBDA_LOG_FORMAT'] = 'JSON'; os.environ['TZ'] = 'Asia/Tokyo';"
        f"runpy.run_path({runtime_dir!r} + '/bootstrap.py', run_name='__main__')"
    )

    api, output = await run_once(
        (str(runtime.interpreter_root / "bin" / OWN), "-S", "-c", preloaded),
        variables(runtime, str(task), runtime_dir),
        cwd=task,
    )

    assert api.posted, output
    assert json.loads(api.posted[0][1])["timezone"] == "JST"
    logged = next(line for line in output.splitlines() if "logged" in line)
    assert json.loads(logged)["level"] == "WARNING"


@pytest.mark.slow
async def test_clients_framed_records_can_be_parsed(provisioner: Provisioner, task: Path) -> None:
    """What AWS's client writes to its log descriptor, mixed with printed text, in order."""
    runtime = await provisioner.prepare(OWN)
    runtime_dir = str(runtime.runtime_dir)
    environment = variables(runtime, str(task), runtime_dir)
    environment |= {"_LAMBDA_TELEMETRY_LOG_FD": "3", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    program = shlex.join(
        (str(runtime.interpreter_root / "bin" / OWN), f"{runtime_dir}/bootstrap.py")
    )

    api, output = await run_once(("sh", "-c", f"exec {program} 3>&1"), environment, cwd=task)

    assert api.posted, output
    parser = LogParser()
    now_ms = time.time_ns() // 1_000_000
    records = parser.feed(output.encode("latin-1"), now_ms) + parser.flush(now_ms)
    assert [(record.level, record.message.split("\t")[-1]) for record in records] == [
        ("WARN", "logged\n"),
        (None, "printed\n"),
    ]


@pytest.mark.oci
@pytest.mark.slow
@pytest.mark.parametrize("identifier", [f"python3.{minor}" for minor in range(9, 15)])
async def test_every_interpreter_works_where_a_sandbox_mounts_it(
    provisioner: Provisioner, task: Path, tmp_path: Path, identifier: str
) -> None:
    """At /var/lang, with nothing of the host but /usr, as an unprivileged user.

    Which interpreters this machine has is its own fact; for one that it lacks, the reason is shown.
    """
    usable = {status.identifier for status in await provisioner.available() if status.is_usable}
    if identifier not in usable:
        with pytest.raises(RuntimeUnavailableError, match=f"uv python install {identifier[6:]}"):
            await provisioner.prepare(identifier)
        return
    runtime = await provisioner.prepare(identifier)
    root = tmp_path / "root"
    root.mkdir()
    inside = variables(runtime, "/var/task", "/var/runtime")
    settings = [f"{name}={value}" for name, value in inside.items()]
    outside = {
        "PATH": os.environ["PATH"],
        "ROOT": str(root),
        "LANG_SOURCE": str(runtime.interpreter_root),
        "RUNTIME_SOURCE": str(runtime.runtime_dir),
        "TASK_SOURCE": str(task),
        "EMPTY": str(runtime.overlays[0][0]) if runtime.overlays else "",
        "OVERLAYS": " ".join(target for _, target in runtime.overlays),
    }

    api, output = await run_once(
        ("unshare", "-m", "sh", "-c", ROOT, "sh", *settings, "@api", *runtime.argv), outside
    )

    assert api.posted, output
    answer = json.loads(api.posted[0][1])
    assert answer["executable"] == f"/var/lang/bin/{identifier}"
    assert answer["version"] == [int(part) for part in identifier[6:].split(".")]
    assert answer["boto3"] == "/var/runtime/boto3/__init__.py"
    assert answer["path"][:3] == [
        "/var/task",
        f"/opt/python/lib/{identifier}/site-packages",
        "/opt/python",
    ]
    assert answer["timezone"] == "UTC"


@pytest.mark.slow
async def test_preparing_twice_installs_once(cache_dir: Path) -> None:
    """Concurrent provisioners, as of two processes, share one complete directory."""
    provisioners = [Provisioner(cache_dir / "shared") for _ in range(4)]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.prepare(OWN)) for each in provisioners]

    prepared = [task.result() for task in tasks]
    assert {each.runtime_dir for each in prepared} == {prepared[0].runtime_dir}
    assert await provisioners[0].prepare(OWN) is prepared[0]
    leftovers = list((cache_dir / "shared").glob("*/*building*"))
    assert leftovers == []


@pytest.mark.slow
async def test_runtime_directory_is_complete_compiled_and_readable(
    provisioner: Provisioner,
) -> None:
    """Another user can import everything without writing bytecode."""
    runtime = await provisioner.prepare(OWN)

    for name in ("awslambdaric", "boto3", "botocore", "simplejson", "urllib3"):
        assert (runtime.runtime_dir / name / "__init__.py").is_file()
        assert list((runtime.runtime_dir / name / "__pycache__").glob("__init__.*.pyc"))
    for name in ("snapshot_restore_py.py", "bootstrap.py", "lambd_init.py"):
        assert (runtime.runtime_dir / name).is_file()
    for path in runtime.runtime_dir.rglob("*"):
        assert path.stat().st_mode & stat.S_IROTH, path
        assert not path.is_dir() or path.stat().st_mode & stat.S_IXOTH, path


@pytest.mark.slow
async def test_cleared_cache_is_filled_again(tmp_path: Path) -> None:
    """Somebody may empty the cache directory while the platform runs."""
    provisioner = Provisioner(tmp_path)
    runtime = await provisioner.prepare(OWN)
    runtime.runtime_dir.rename(tmp_path / "moved")

    again = await provisioner.prepare(OWN)

    assert (again.runtime_dir / "bootstrap.py").is_file()


@pytest.mark.slow
async def test_a_version_has_its_arn_before_it_is_prepared(cache_dir: Path, tmp_path: Path) -> None:
    """Nothing is installed for it; what is prepared then has the same."""
    scope = Scope(account_id="0" * 12, region="eu-west-1")
    empty = tmp_path / "cache"
    arn = await Provisioner(empty).version_arn(OWN, scope)
    assert not (empty / "libraries").exists()
    assert (await Provisioner(cache_dir).prepare(OWN)).version_arn(scope) == arn


async def test_missing_interpreter_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken interpreter is named, and the message has the command that helps."""
    broken = tmp_path / "python3.14"
    broken.write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(interpreters, "candidates", lambda *_: iter([broken]))

    with pytest.raises(RuntimeUnavailableError) as caught:
        await Provisioner(tmp_path).prepare("python3.14")

    assert "No Python 3.14 on this machine" in caught.value.message
    assert f"{broken}, which does not run: no such thing" in caught.value.message
    assert "uv python install 3.14" in caught.value.message


async def test_failed_installation_says_what_uv_said(tmp_path: Path) -> None:
    """Without an index the reason names uv's own error and the settings that help."""
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "UV_OFFLINE": "1"}
    environ["UV_CACHE_DIR"] = str(tmp_path / "uv")

    with pytest.raises(
        RuntimeUnavailableError, match=r"could not be installed: .*UV_DEFAULT_INDEX"
    ):
        await Provisioner(tmp_path / "cache", environ).prepare(OWN)

    assert not list((tmp_path / "cache" / "libraries").glob("python*"))


@pytest.mark.parametrize("identifier", ["nodejs18.x", "java21", "provided", "python3.8"])
async def test_runtimes_we_cannot_run_say_so(tmp_path: Path, identifier: str) -> None:
    """No installation would help; the message tells what can be used instead."""
    with pytest.raises(RuntimeUnavailableError, match=r"It runs nodejs20.x, .*provided.al2, "):
        await Provisioner(tmp_path).prepare(identifier)


async def test_doctor_sees_the_interpreter_it_runs_on(tmp_path: Path) -> None:
    """Every identifier that lambd can run is reported, usable or with a command that helps."""
    report = {status.identifier: status for status in await Provisioner(tmp_path).available()}

    pythons = {f"python3.{minor}" for minor in range(9, 15)}
    others = {"provided.al2", "provided.al2023", *(f"nodejs{n}.x" for n in (20, 22, 24, 26))}
    assert set(report) == pythons | others
    assert report["provided.al2023"].is_installed
    assert report[OWN].is_usable
    assert not report[OWN].is_installed
    assert all(status.is_usable or status.fix for status in report.values())


def test_probe_follows_a_virtual_environment_to_its_installation(tmp_path: Path) -> None:
    """The installation is what a sandbox mounts."""
    version = (sys.version_info[0], sys.version_info[1])

    found = interpreters.probe(Path(sys.executable), version)

    assert isinstance(found, Interpreter)
    assert found.prefix == Path(sys.base_prefix).resolve()


def test_probe_rejects_another_version(tmp_path: Path) -> None:
    """An executable's name proves nothing."""
    link = tmp_path / "python3.2"
    link.symlink_to(Path(sys.base_prefix) / "bin" / OWN)

    found = interpreters.probe(link, (3, 2))

    assert isinstance(found, Rejected)
    assert "is another version" in found.reason
