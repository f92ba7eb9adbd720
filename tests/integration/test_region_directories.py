"""Which directory is which region's."""

from __future__ import annotations

from pathlib import Path

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
