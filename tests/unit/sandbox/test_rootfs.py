"""The root that sandboxes share, and the image sizes of /tmp."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambd.sandbox.rootfs import RootFilesystem, generated_etc
from lambd.sandbox.scratch import image_mib


def test_users_are_root_the_functions_and_nobody() -> None:
    """The function's user has AWS's name and cannot log in."""
    users = [line.split(":") for line in generated_etc()["passwd"].splitlines()]
    assert [user[0] for user in users] == ["root", "sbx_user1051", "nobody"]
    assert users[1][2:4] == ["993", "990"]
    assert all(user[6] == "/sbin/nologin" for user in users)


def test_names_are_asked_for_inside() -> None:
    """The relay listens on the sandbox's own loopback."""
    assert generated_etc()["resolv.conf"].startswith("nameserver 127.0.0.1\n")
    assert "sandbox.localdomain" in generated_etc()["hosts"]


@pytest.mark.parametrize("target", ["/var/task", "/opt", "/mnt/efs/deep"])
def test_makes_mount_points_where_mounts_may_be(target: str, tmp_path: Path) -> None:
    """Missing directories are created."""
    RootFilesystem(tmp_path, ()).ensure_mount_point(target)
    assert (tmp_path / target[1:]).is_dir()


def test_covers_directories_of_usr_that_exist(tmp_path: Path) -> None:
    """The host's own /usr cannot be added to."""
    (tmp_path / "usr/lib").mkdir(parents=True)
    root = RootFilesystem(tmp_path, ())
    root.ensure_mount_point("/usr/lib")
    with pytest.raises(ValueError, match="not a directory"):
        root.ensure_mount_point("/usr/lib/new")


@pytest.mark.parametrize(
    "target", ["/", "/etc", "/proc/1", "/var/../etc", "/var//task", "/var/task/", "var", ""]
)
def test_refuses_other_targets(target: str, tmp_path: Path) -> None:
    """Nothing is created for them."""
    with pytest.raises(ValueError, match="mount"):
        RootFilesystem(tmp_path, ()).ensure_mount_point(target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("size_mib", "expected"), [(512, 534), (10_240, 10_420)])
def test_images_have_room_for_the_file_systems_own_needs(size_mib: int, expected: int) -> None:
    """What is asked for can be filled."""
    assert image_mib(size_mib) == expected
