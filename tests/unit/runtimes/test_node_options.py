"""How Node.js is started."""

from __future__ import annotations

import pytest

from lambd.runtimes.node_options import options


@pytest.mark.parametrize(
    ("memory_mib", "semi", "old"), [(128, 6, 116), (1024, 51, 922), (10240, 512, 9216)]
)
def test_heap_sizes_follow_from_memory(memory_mib: int, semi: int, old: int) -> None:
    """A tenth is the young generation, half of that a semi-space; the first row is AWS's own."""
    assert options(24, memory_mib, "")[-2:] == (
        f"--max-semi-space-size={semi}",
        f"--max-old-space-size={old}",
    )


@pytest.mark.parametrize("given", ["--max-old-space-size=100", "--inspect --max_semi_space_size=3"])
def test_a_customers_heap_size_replaces_both(given: str) -> None:
    """Whoever sizes one decides about both."""
    assert not [option for option in options(24, 128, given) if "space" in option]


@pytest.mark.parametrize(
    ("major", "given", "expected"),
    [
        pytest.param(20, "", ["require-module"], id="20"),
        pytest.param(22, "", ["require-module", "detect-module"], id="22"),
        pytest.param(
            22, "--experimental-require-module", ["detect-module"], id="22 with one switched on"
        ),
        pytest.param(24, "", [], id="24"),
    ],
)
def test_experimental_features_are_off_unless_switched_on(
    major: int, given: str, expected: list[str]
) -> None:
    """As the developer guide says of Node.js 20 and 22."""
    wanted = [f"--no-experimental-{feature}" for feature in expected]

    assert [option for option in options(major, 128, given) if "--no-" in option] == wanted
