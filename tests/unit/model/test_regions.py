"""Regions and their partitions."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from lambd.model.regions import PARTITIONS, partition_of


def test_table_is_botocores() -> None:
    """Every region of AWS's own list is known, and no other."""
    spec = importlib.util.find_spec("botocore")
    assert spec is not None
    assert spec.origin is not None
    listed = json.loads((Path(spec.origin).parent / "data" / "partitions.json").read_text())
    expected = {
        region: partition["id"]
        for partition in listed["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    }
    assert expected == dict(PARTITIONS)


def test_unknown_region_is_in_the_usual_partition() -> None:
    """An operator's own region has ARNs like most."""
    assert partition_of("aa-nowhere-1") == "aws"
    assert partition_of("cn-north-1") == "aws-cn"
