"""What the catalogue says of runtime identifiers."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import botocore.session
import pytest

from lambd.runtimes import catalogue
from lambd.runtimes.catalogue import RUNTIMES, Family, SupportStatus

TODAY = date(2026, 11, 24)


def test_knows_every_identifier_of_the_service_model() -> None:
    """The catalogue and botocore's enum name the same runtimes, and python3.9 is in both."""
    model = botocore.session.get_session().get_service_model("lambda")

    assert sorted(model.shape_for("Runtime").metadata["enum"]) == sorted(RUNTIMES)


@pytest.mark.parametrize(
    "identifier",
    [
        *(f"python3.{minor}" for minor in range(9, 15)),
        *(f"nodejs{major}.x" for major in (20, 22, 24, 26)),
        "provided.al2023",
        "provided.al2",
    ],
)
def test_what_lambd_runs_stays_creatable_after_aws_has_blocked_it(identifier: str) -> None:
    """Dates do not stop runtimes that lambd runs itself."""
    assert catalogue.status(identifier, date(2040, 1, 1)) is SupportStatus.CREATABLE


@pytest.mark.parametrize("identifier", ["python3.8", "python2.7", "nodejs", "go1.x", "provided"])
def test_retired_identifiers_are_deprecated(identifier: str) -> None:
    """Enum leftovers get the deprecation message and not the enum message."""
    assert catalogue.status(identifier, TODAY) is SupportStatus.DEPRECATED
    refusal = catalogue.refusal(identifier, TODAY)
    assert refusal is not None
    assert refusal.startswith(f"The runtime parameter of {identifier} is no longer supported")


@pytest.mark.parametrize("identifier", ["Python3.12", "python3.12 ", "", "python4.0", "cobol"])
def test_anything_else_is_unknown(identifier: str) -> None:
    """Matching is exact and case-sensitive."""
    assert catalogue.status(identifier, TODAY) is SupportStatus.UNKNOWN


def test_enum_message_lists_what_can_be_created() -> None:
    """The text is AWS's, the list holds creatable identifiers only."""
    refusal = catalogue.refusal("cobol", TODAY)

    assert refusal is not None
    assert refusal.startswith(
        "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value "
        "set: [nodejs26.x, nodejs24.x, "
    )
    assert refusal.endswith("custom] or be a valid ARN")
    assert "python3.8" not in refusal


def test_runtimes_we_cannot_run_are_blocked_by_date() -> None:
    """A foreign runtime is creatable up to the day on which AWS blocks it."""
    assert catalogue.status("ruby3.2", date(2026, 8, 30)) is SupportStatus.CREATABLE
    assert catalogue.status("ruby3.2", date(2026, 8, 31)) is SupportStatus.DEPRECATED


@pytest.mark.parametrize(
    ("identifier", "family", "version", "execution_env"),
    [
        ("python3.12", Family.PYTHON, "3.12", "AWS_Lambda_python3.12"),
        ("nodejs22.x", Family.NODEJS, "22", "AWS_Lambda_nodejs22.x"),
        ("java8.al2", Family.JAVA, "8.al2", "AWS_Lambda_java8.al2"),
        ("dotnetcore3.1", Family.DOTNET, "3.1", "AWS_Lambda_dotnetcore3.1"),
        ("provided.al2023", Family.PROVIDED, "al2023", None),
    ],
)
def test_identifiers_are_taken_apart(
    identifier: str, family: Family, version: str, execution_env: str | None
) -> None:
    """Family, version and AWS_EXECUTION_ENV follow from the identifier."""
    runtime = RUNTIMES[identifier]

    assert (family, version) == (runtime.family, runtime.version)
    assert execution_env == runtime.execution_env


def test_each_python_with_pinned_libraries_is_creatable() -> None:
    """Every requirements file belongs to an identifier, and each line is hashed."""
    folder = Path(catalogue.__file__).parent / "requirements"
    for path in sorted(folder.glob("*.txt")):
        assert catalogue.status(path.stem, TODAY) is SupportStatus.CREATABLE
        text = path.read_text()
        assert "awslambdaric==" in text
        assert "http" not in text
        for requirement in text.replace("\\\n", " ").splitlines():
            assert "--hash=sha256:" in requirement


def test_each_npm_package_is_pinned_by_its_hash() -> None:
    """Lock files name no registry, and no package of theirs goes unchecked."""
    folder = Path(catalogue.__file__).parent / "requirements" / "npm"
    for path in sorted(folder.glob("*/package-lock.json")):
        text = path.read_text()
        assert '"resolved"' not in text
        packages = json.loads(text)["packages"]
        assert all("integrity" in package for name, package in packages.items() if name)
