"""Which directory is which region's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambd.model.errors import UnavailableError
from lambd.store.region_directories import RegionDirectories


def test_data_directory_stays_the_region_s_that_it_was_made_for(tmp_path: Path) -> None:
    """A server for another region finds its own place beside it."""
    first = RegionDirectories.open(tmp_path, "eu-west-1")
    assert first.path("eu-west-1") == tmp_path
    again = RegionDirectories.open(tmp_path, "us-east-1")
    assert again.home == "eu-west-1"
    assert again.path("us-east-1") == tmp_path / "regions" / "us-east-1"


def test_regions_that_were_made_are_found_again(tmp_path: Path) -> None:
    """The data directory's own region comes first."""
    directories = RegionDirectories.open(tmp_path, "us-east-1")
    assert directories.existing() == ("us-east-1",)
    assert directories.make("eu-west-1").is_dir()
    assert directories.make("ap-east-1").is_dir()
    assert directories.make("eu-west-1").is_dir()
    assert directories.existing() == ("us-east-1", "ap-east-1", "eu-west-1")


def test_faults_of_the_disk_are_told_in_one_line(tmp_path: Path) -> None:
    """Where no directory can be made, at the start or for a region that is new."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UnavailableError, match=str(file)):
        RegionDirectories.open(file, "us-east-1")
    (tmp_path / "regions").touch()
    with pytest.raises(UnavailableError, match=str(tmp_path)):
        RegionDirectories.open(tmp_path, "us-east-1").make("eu-west-1")
