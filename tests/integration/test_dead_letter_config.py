"""`DeadLetterConfig` in the control plane: stored, cleared, published, checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.control_world import World

from lambd.control.configuration import ConfigurationChanges
from lambd.control.functions import UpdateConfigurationRequest, update_configuration
from lambd.control.versions import PublishVersionRequest, publish_version
from lambd.model.errors import InvalidParameterError

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A function that is active."""
    made = World(tmp_path)
    made.create("f")
    yield made
    made.close()


def change(world: World, arn: str | None) -> None:
    """Set or clear it."""
    changes = ConfigurationChanges(dead_letter_arn=arn)
    world.call(update_configuration, UpdateConfigurationRequest(name="f", changes=changes))
    world.settle()


def publish(world: World) -> str:
    """The number of the version that PublishVersion gives."""
    number = world.call(publish_version, PublishVersionRequest(name="f")).version
    world.settle()
    return number


def test_a_version_keeps_its_own(world: World) -> None:
    """It is part of what PublishVersion copies and compares."""
    assert world.latest("f").config.dead_letter_arn is None
    assert publish(world) == "1"
    change(world, QUEUE)
    assert publish(world) == "2"
    assert publish(world) == "2"
    change(world, None)
    assert world.latest("f").config.dead_letter_arn is None
    second = world.version("f", "2")
    assert second is not None
    assert second.config.dead_letter_arn == QUEUE


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sqs:us-east-1:000000000000:q.fifo",
        "arn:aws:sns:us-east-1:000000000000:t.fifo",
        "arn:aws:lambda:us-east-1:000000000000:function:f",
        "arn:aws:sqs:us-east-1:1:q",
    ],
)
def test_only_standard_queues_and_topics(world: World, arn: str) -> None:
    """The message names the ARN."""
    with pytest.raises(InvalidParameterError) as caught:
        change(world, arn)
    assert caught.value.message == (
        f"The dead-letter target {arn} is neither a standard SQS queue nor a standard SNS topic."
    )
