"""The search path that bootstrap.py gives functions."""

from __future__ import annotations

from lambd.runtimes.bootstrap import search_path

TASK, RUNTIME = "/var/task", "/var/runtime"


def path_of(version: tuple[int, int], *, has_pythonpath: bool = False) -> list[str]:
    """The composed path of an interpreter started on the script, as AWS starts it."""
    library = f"/var/lang/lib/python{version[0]}.{version[1]}"
    own = ["/customer"] if has_pythonpath else []
    return search_path(
        [RUNTIME, *own, "/var/lang/lib/python.zip", library, f"{library}/site-packages"],
        version=version,
        task_root=TASK,
        runtime_dir=RUNTIME,
        opt="/opt",
        has_pythonpath=has_pythonpath,
    )


def test_interpreters_packages_precede_the_runtime_since_python_3_11() -> None:
    """Task root, layers, pip-installed packages, runtime, standard library."""
    assert path_of((3, 12)) == [
        "/var/task",
        "/opt/python/lib/python3.12/site-packages",
        "/opt/python",
        "/var/lang/lib/python3.12/site-packages",
        "/var/runtime",
        "/var/lang/lib/python.zip",
        "/var/lang/lib/python3.12",
    ]


def test_runtime_precedes_the_interpreters_packages_before_python_3_11() -> None:
    """The older order of AWS's documentation."""
    assert path_of((3, 10)) == [
        "/var/task",
        "/opt/python/lib/python3.10/site-packages",
        "/opt/python",
        "/var/runtime",
        "/var/lang/lib/python.zip",
        "/var/lang/lib/python3.10",
        "/var/lang/lib/python3.10/site-packages",
    ]


def test_customers_pythonpath_replaces_the_layers() -> None:
    """As on AWS, layers leave the front of the path when PYTHONPATH is set."""
    path = path_of((3, 12), has_pythonpath=True)

    assert path[0] == "/var/task"
    assert "/customer" in path
    assert "/opt/python" not in path
