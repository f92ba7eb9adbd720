"""Trees on disk for /task and /opt: unpacking, merging, sharing, collecting."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from tests.integration.control_world import ROLE

from lambd.environments.environment import EnvironmentOwner, ExecutionEnvironment
from lambd.environments.merging import merge_trees
from lambd.environments.placement import HostLedger
from lambd.environments.pool import Pool
from lambd.environments.preparation import PreparationFailedError, Preparer
from lambd.environments.reconciler import Reconciler
from lambd.model.arns import LATEST, Scope
from lambd.model.functions import (
    Code,
    Deployment,
    FunctionConfig,
    FunctionLayer,
    FunctionVersion,
    State,
)
from lambd.model.hosting import HostedVersion
from lambd.runtimes.prepared_runtime import PreparedRuntime
from lambd.runtimes.provision import Provisioner
from lambd.store import functions, layers
from lambd.store.blobs import BlobStore
from lambd.store.contents import References
from lambd.store.database import Connection, Database, SchedulesChanged, notify
from lambd.telemetry.ids import new_id

EMPTY = References(archives=frozenset(), layer_lists=frozenset())
RUNTIME = PreparedRuntime(
    identifier="python3.12",
    interpreter_root=Path("/"),
    runtime_dir=Path("/"),
    overlays=(),
    init_argv=(),
    init_environment={},
    argv=(),
    execution_env="",
    version_string="",
    version_hash="",
)


class AnyRuntime(Provisioner):
    """Has every runtime and installs nothing."""

    async def prepare(self, identifier: str) -> PreparedRuntime:
        """Always the same one."""
        return RUNTIME


# A tree as relative paths: text of a file, None for a directory, a link with an arrow.
Tree = dict[str, str | None]


def write(root: Path, tree: Tree) -> Path:
    """Write a tree; texts that begin with an arrow are links."""
    root.mkdir()
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.mkdir(exist_ok=True)
        elif text.startswith("->"):
            path.symlink_to(text[2:])
        else:
            path.write_text(text)
    return root


def read(root: Path) -> Tree:
    """The tree that is there; directories that have something in them are not listed."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"->{path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
        elif not any(path.iterdir()):
            found[name] = None
    return found


@pytest.mark.parametrize(
    ("trees", "expected"),
    [
        pytest.param(
            [{"a/x": "1", "a/y": "1"}, {"a/y": "2", "b": "2"}],
            {"a/x": "1", "a/y": "2", "b": "2"},
            id="files",
        ),
        pytest.param([{"a/b/c": "1"}, {"a": "2"}], {"a": "2"}, id="file-for-directory"),
        pytest.param([{"a": "1"}, {"a/b": "2"}], {"a/b": "2"}, id="directory-for-file"),
        pytest.param(
            [{"a": "->d", "d/x": "1"}, {"a/y": "2"}], {"a/y": "2", "d/x": "1"}, id="dir-for-link"
        ),
        pytest.param([{"a/x": "1"}, {"a": "->nowhere"}], {"a": "->nowhere"}, id="link-for-dir"),
        pytest.param(
            [{"d/x": "1", "a": "->d/x"}, {"a": "2"}], {"a": "2", "d/x": "1"}, id="file-for-link"
        ),
        pytest.param([{"a": None}, {"b": None}], {"a": None, "b": None}, id="empty"),
        pytest.param([{"a/b/c": "1"}, {"a": "2"}, {"a/d": "3"}], {"a/d": "3"}, id="there-and-back"),
        pytest.param([{f"{n}": "x"} for n in range(5)], {f"{n}": "x" for n in range(5)}, id="five"),
    ],
)
def test_later_trees_overwrite_earlier_ones(
    tmp_path: Path, trees: Sequence[Tree], expected: Tree
) -> None:
    """Directories join; where something is of another kind the later one has it alone."""
    sources = [write(tmp_path / str(number), tree) for number, tree in enumerate(trees)]
    before = [read(source) for source in sources]
    merge_trees(sources, tmp_path / "merged")
    assert read(tmp_path / "merged") == expected
    assert [read(source) for source in sources] == before


def test_merging_keeps_modes_and_copies_nothing(tmp_path: Path) -> None:
    """Files are the layers' own; the later layer says how a directory is."""
    one, two = write(tmp_path / "1", {"d/x": "1"}), write(tmp_path / "2", {"d/y": "2"})
    (one / "d/x").chmod(0o755)
    (two / "d").chmod(0o555)
    merge_trees([one, two], tmp_path / "merged")
    assert (tmp_path / "merged/d/x").stat().st_ino == (one / "d/x").stat().st_ino
    assert (tmp_path / "merged/d/x").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "merged/d").stat().st_mode & 0o777 == 0o555
    (two / "d").chmod(0o755)


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Neither the target nor parts of it."""
    one = write(tmp_path / "1", {"x": "1"})
    with pytest.raises(FileNotFoundError):
        merge_trees([one, tmp_path / "gone"], tmp_path / "opt" / "merged")
    assert list((tmp_path / "opt").iterdir()) == []


# --- the preparer ------------------------------------------------------------------------------


class Host:
    """A data directory with archives and the preparer on it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.blobs = BlobStore(data_dir)
        self.preparer = Preparer(
            data_dir=data_dir,
            blobs=self.blobs,
            provisioner=AnyRuntime(data_dir / "cache"),
            unzipped_bytes=1_000_000,
        )

    def archive(self, **files: str) -> Code:
        """Store an archive."""
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as made:
            for name, text in files.items():
                made.writestr(name, text)
        return self.blobs.put_bytes(buffer.getvalue())

    def deployment(self, *layers: Code, code: Code | None = None) -> Deployment:
        """A deployment with layers."""
        held = tuple(
            FunctionLayer(arn=f"arn:{number}", code=layer) for number, layer in enumerate(layers)
        )
        return Deployment(
            id=new_id(),
            config=FunctionConfig(role=ROLE, runtime="python3.12", handler="h.h", layers=held),
            code=code or self.archive(app="code"),
        )

    def trees(self) -> set[str]:
        """Names of everything on disk."""
        return {
            f"{parent}/{each.name}"
            for parent in ("code", "opt")
            if (self.data_dir / parent).is_dir()
            for each in (self.data_dir / parent).iterdir()
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host without anything."""
    (tmp_path / "data").mkdir()
    return Host(tmp_path / "data")


def needs(*deployments: Deployment) -> References:
    """What deployments refer to."""
    lists = [tuple(item.code.sha256 for item in each.config.layers) for each in deployments]
    return References(
        archives=frozenset(
            sha
            for each, shas in zip(deployments, lists, strict=True)
            for sha in (each.code.sha256, *shas)
        ),
        layer_lists=frozenset(lists),
    )


async def test_layers_are_merged_in_their_order(host: Host) -> None:
    """None: no tree; one: its own; more: one of theirs, for each order."""
    one, two = host.archive(x="1", a="1"), host.archive(x="2", b="2")
    assert (await host.preparer.prepare(host.deployment())).opt_dir is None
    alone = (await host.preparer.prepare(host.deployment(one))).opt_dir
    assert alone == host.data_dir / "code" / one.sha256
    there = (await host.preparer.prepare(host.deployment(one, two))).opt_dir
    back = (await host.preparer.prepare(host.deployment(two, one))).opt_dir
    assert there is not None
    assert back is not None
    assert read(there) == {"a": "1", "b": "2", "x": "2"}
    assert read(back) == {"a": "1", "b": "2", "x": "1"}


async def test_functions_share_a_tree(host: Host) -> None:
    """However many prepare it at once."""
    one, two = host.archive(x="1"), host.archive(y="2")
    prepared = await asyncio.gather(
        *(host.preparer.prepare(host.deployment(one, two)) for _ in range(20))
    )
    assert len({each.opt_dir for each in prepared}) == 1
    assert len(host.trees()) == 4


async def test_a_layer_that_is_gone_is_named(host: Host) -> None:
    """The reason tells which it was, and nothing half-made stays."""
    one, two = host.archive(x="1"), host.archive(y="2")
    host.blobs.delete(two.sha256)
    with pytest.raises(PreparationFailedError) as caught:
        await host.preparer.prepare(host.deployment(one, two))
    assert caught.value.reason.text == (
        f"The layer arn:1 could not be unpacked: The archive {two.sha256} is missing."
    )
    assert not any("opt/" in name for name in host.trees())


async def test_collects_what_nothing_needs(host: Host) -> None:
    """Trees of code, of layers and merged ones, each on its own."""
    one, two, three = (host.archive(x=text) for text in ("1", "2", "3"))
    kept, gone = host.deployment(one, two), host.deployment(two, three)
    for each in (kept, gone):
        await host.preparer.prepare(each)
    everything = host.trees()
    host.preparer.begin_collection()
    assert host.preparer.collect_garbage([needs(kept), needs(gone)]) == 0
    assert host.trees() == everything
    assert host.preparer.collect_garbage([needs(kept)]) == 2
    assert len(everything - host.trees()) == 2
    opt = (await host.preparer.prepare(kept)).opt_dir
    assert opt is not None
    assert read(opt) == {"x": "2"}
    host.preparer.begin_collection()
    host.preparer.collect_garbage([EMPTY])
    assert host.trees() == set()


async def test_what_is_asked_for_meanwhile_is_not_collected(host: Host) -> None:
    """What a collection knows to be needed is older than it."""
    deployment = host.deployment(host.archive(x="1"), host.archive(y="1"))
    await host.preparer.prepare(deployment)
    host.preparer.begin_collection()
    prepared = await host.preparer.prepare(deployment)
    assert host.preparer.collect_garbage([EMPTY]) == 2
    assert prepared.opt_dir is not None
    assert read(prepared.opt_dir) == {"x": "1", "y": "1"}
    host.preparer.begin_collection()
    # Its layers' own trees had gone before: nobody looks at them.
    assert host.preparer.collect_garbage([EMPTY]) == 2


async def test_collects_what_the_archive_wants_read_only(host: Host) -> None:
    """Directories that nobody may write to are no obstacle."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        info = zipfile.ZipInfo("d/")
        info.external_attr = 0o40555 << 16
        made.writestr(info, "")
        made.writestr("d/x", "1")
    code = host.blobs.put_bytes(buffer.getvalue())
    await host.preparer.prepare(host.deployment(code=code))
    host.preparer.begin_collection()
    assert host.preparer.collect_garbage([EMPTY]) == 1
    assert host.trees() == set()


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from lambd.environments import merging
from tests.integration.test_layer_trees import Host

link = os.link
def die(*arguments, **keywords):
    if die.left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    die.left -= 1
    link(*arguments, **keywords)
die.left = int(sys.argv[2])
merging.os.link = die

host = Host(Path(sys.argv[1]))
one, two = host.archive(a="1", x="1"), host.archive(b="2", x="2")
asyncio.run(host.preparer.prepare(host.deployment(one, two)))
"""


@pytest.mark.parametrize("links", [0, 1, 3])
async def test_a_merge_survives_kill_9(host: Host, links: int) -> None:
    """What was half-made is not taken for the whole, and goes with the garbage."""
    root = Path(__file__).parents[2]
    killed = subprocess.run(  # noqa: ASYNC221 - nothing else runs
        [sys.executable, "-c", _KILLED, str(host.data_dir), str(links)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{root}"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    again = Host(host.data_dir)
    assert sum(name.startswith("opt/.") for name in again.trees()) == 1
    one, two = again.archive(a="1", x="1"), again.archive(b="2", x="2")
    deployment = again.deployment(one, two)
    opt = (await again.preparer.prepare(deployment)).opt_dir
    assert opt is not None
    assert read(opt) == {"a": "1", "b": "2", "x": "2"}
    again.preparer.begin_collection()
    again.preparer.collect_garbage([needs(deployment)])
    assert len(again.trees()) == 4
    assert not any("/." in name for name in again.trees())


# --- the reconciler ----------------------------------------------------------------------------


NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def never(
    hosted: HostedVersion, owner: EnvironmentOwner, *, provisioned: bool = False
) -> ExecutionEnvironment:
    """Nothing is invoked here."""
    raise NotImplementedError


def _reconciler(host: Host, database: Database, tasks: asyncio.TaskGroup) -> Reconciler:
    pool = Pool(
        starter=never,
        ledger=HostLedger(1),
        tasks=tasks,
        freeze_after_s=1,
        idle_timeout_s=1,
        max_per_deployment=None,
    )
    return Reconciler(
        database=database,
        scope=Scope(account_id="000000000000", region="us-east-1"),
        blobs=host.blobs,
        preparer=host.preparer,
        pool=pool,
        tasks=tasks,
        garbage_delay_s=0.05,
    )


async def until_gone(paths: Sequence[Path]) -> None:
    """Wait for another thread to remove files; it gives no notice."""
    async with asyncio.timeout(10):
        while any(path.exists() for path in paths):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def test_the_last_function_takes_a_deleted_layer_along(host: Host) -> None:
    """Blobs and trees stay for a function, also over a restart, and go after it."""
    one, two = host.archive(x="1"), host.archive(y="2")
    deployment = host.deployment(one, two)
    archives = [deployment.code, one, two]

    def set_up(connection: Connection) -> None:
        for name, layer in (("one", one), ("two", two)):
            layers.insert_version(
                connection,
                name=name,
                code=layer,
                created_at=NOW,
                description="",
                compatible_runtimes=None,
                compatible_architectures=None,
                license_info=None,
            )
        latest = FunctionVersion(
            name="f",
            version=LATEST,
            deployment=deployment,
            serving=None,
            revision_id=new_id(),
            last_modified=NOW,
            state=State.PENDING,
        )
        functions.insert_function(connection, latest)
        for name in ("one", "two"):
            layers.delete_version(connection, name, 1)

    blobs = [host.blobs.path(each.sha256) for each in archives]
    for blob in blobs:
        os.utime(blob, (0, 0))
    database = await asyncio.to_thread(Database.open, host.data_dir)
    try:
        await database.run(set_up)
        async with asyncio.TaskGroup() as tasks:
            reconciler = _reconciler(host, database, tasks)
            loop = tasks.create_task(reconciler.run())
            async with asyncio.timeout(10):
                while not await database.read(functions.list_serving, "f"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            # What nothing needs goes; when it has gone, what is needed has been spared.
            waste = host.archive(z="1")
            os.utime(host.blobs.path(waste.sha256), (0, 0))
            await database.run(layers.delete_version, "one", 1)
            await until_gone([host.blobs.path(waste.sha256)])
            assert all(blob.exists() for blob in blobs)
            assert len(host.trees()) == 4
            await database.run(functions.delete_function, "f")
            await until_gone(blobs)
            assert host.trees() == set()
            loop.cancel()
    finally:
        await asyncio.to_thread(database.close)


async def test_schedules_that_run_put_nothing_off(host: Host) -> None:
    """Changes that leave no code behind do not count, however often they come."""
    waste = host.archive(z="1")
    os.utime(host.blobs.path(waste.sha256), (0, 0))
    database = await asyncio.to_thread(Database.open, host.data_dir)

    async def run_schedules() -> None:
        while True:
            await database.run(notify, SchedulesChanged())
            await asyncio.sleep(0.01)

    try:
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(each)
                for each in (_reconciler(host, database, tasks).run(), run_schedules())
            ]
            await until_gone([host.blobs.path(waste.sha256)])
            for loop in loops:
                loop.cancel()
    finally:
        await asyncio.to_thread(database.close)


def _empty_files(root: Path) -> None:
    """What a power cut leaves of files that were never flushed."""
    for path in root.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


async def test_a_broken_tree_is_made_anew_by_the_next_process(host: Host) -> None:
    """Files without content are noticed when the trees are first looked at, merged ones too."""
    one, two = host.archive(x="1"), host.archive(y="2")
    deployment = host.deployment(one, two)
    before = await host.preparer.prepare(deployment)
    assert before.opt_dir is not None
    for tree in (before.code_dir, before.opt_dir):
        _empty_files(tree)
    after = await Host(host.data_dir).preparer.prepare(deployment)
    assert after == before
    assert read(after.code_dir) == {"app": "code"}
    assert read(before.opt_dir) == {"x": "1", "y": "2"}
    assert len(host.trees()) == 4


async def test_deploying_a_broken_tree_again_mends_it(host: Host) -> None:
    """Also in the process that knows the tree as whole; a further environment does not look."""
    code = host.archive(app="code", lib="more")
    first, again = host.deployment(code=code), host.deployment(code=code)
    tree = (await host.preparer.prepare(first)).code_dir
    (tree / "lib").unlink()
    assert read((await host.preparer.prepare(again)).code_dir) == {"app": "code"}
    assert read((await host.preparer.prepare(again, check=True)).code_dir) == {
        "app": "code",
        "lib": "more",
    }


async def test_a_tree_whose_archive_is_gone_is_kept(host: Host) -> None:
    """It is all there is of the code."""
    code = host.archive(app="code")
    deployment = host.deployment(code=code)
    await host.preparer.prepare(deployment)
    host.blobs.delete(code.sha256)
    after = await Host(host.data_dir).preparer.prepare(deployment, check=True)
    assert read(after.code_dir) == {"app": "code"}
