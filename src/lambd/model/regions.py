"""AWS's regions and the partitions they are in. Source: partitions.json of botocore 1.44.5.

A region is a place of its own: what is made in one is not there in another. The ones that are not
in the table are refused, as AWS refuses a signature for a region that it does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_REGIONS_OF: Mapping[str, tuple[str, ...]] = {
    "aws": (
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2"),
        *("ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2"),
        *("ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6"),
        *("ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2"),
        *("eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("il-central-1", "me-central-1", "me-south-1", "me-west-1", "mx-central-1"),
        *("sa-east-1", "sa-west-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    ),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-eusc": ("eusc-de-east-1",),
    "aws-iso": ("us-iso-east-1", "us-iso-west-1"),
    "aws-iso-b": ("us-isob-east-1", "us-isob-west-1"),
    "aws-iso-e": ("eu-isoe-west-1",),
    "aws-iso-f": ("us-isof-east-1", "us-isof-south-1"),
    "aws-us-gov": ("us-gov-east-1", "us-gov-west-1"),
}
# Region -> partition.
PARTITIONS: Mapping[str, str] = MappingProxyType(
    {region: partition for partition, regions in _REGIONS_OF.items() for region in regions}
)


def partition_of(region: str) -> str:
    """The partition of a region; of one that AWS does not have, the usual one."""
    return PARTITIONS.get(region, "aws")
