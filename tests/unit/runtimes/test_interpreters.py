"""Where interpreters are looked for."""

from __future__ import annotations

from pathlib import Path

from lambd.runtimes.interpreters import candidates


def test_looks_where_people_have_interpreters(tmp_path: Path) -> None:
    """PATH first, then pyenv and uv, then the system; pyenv's shims never."""
    installed = [
        "home/.pyenv/versions/3.14.0/bin/python3.14",
        "home/.pyenv/shims/python3.14",
        "uv/cpython-3.14.1-linux-x86_64-gnu/bin/python3.14",
        "bin/python3.14",
    ]
    for name in installed:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    environ = {
        "HOME": str(tmp_path / "home"),
        "PATH": f"{tmp_path}/home/.pyenv/shims:{tmp_path}/bin:relative",
        "UV_PYTHON_INSTALL_DIR": str(tmp_path / "uv"),
    }

    found = list(candidates((3, 14), environ))

    ours = [str(path.relative_to(tmp_path)) for path in found if path.is_relative_to(tmp_path)]
    assert ours == [installed[3], installed[0], installed[2]]


def test_other_minor_versions_are_not_candidates(tmp_path: Path) -> None:
    """3.1 must not match 3.14's directory by prefix."""
    path = tmp_path / ".pyenv/versions/3.14.0/bin/python3.14"
    path.parent.mkdir(parents=True)
    path.touch()

    found = candidates((3, 1), {"HOME": str(tmp_path), "PATH": ""})

    assert not [each for each in found if each.is_relative_to(tmp_path)]
