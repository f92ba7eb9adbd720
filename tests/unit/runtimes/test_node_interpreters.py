"""Where Node.js is looked for."""

from __future__ import annotations

from pathlib import Path

from lambd.runtimes.node_interpreters import candidates


def test_looks_where_people_have_node(tmp_path: Path) -> None:
    """PATH first, then the version managers' own directories, for the wanted version only."""
    wanted = [
        "bin/node",
        "home/.nvm/versions/node/v24.1.0/bin/node",
        "home/.local/share/fnm/node-versions/v24.2.0/installation/bin/node",
        "home/.volta/tools/image/node/24.3.0/bin/node",
        "home/.asdf/installs/nodejs/24.4.0/bin/node",
    ]
    for name in (*wanted, "home/.nvm/versions/node/v22.1.0/bin/node"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    environ = {"HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}/bin:relative:{tmp_path}/no"}

    found = [each for each in candidates(24, environ) if each.is_relative_to(tmp_path)]

    assert [str(each.relative_to(tmp_path)) for each in found] == wanted
