"""The system call filter."""

from __future__ import annotations

from typing import Any

import pytest

from lambd.sandbox.seccomp import seccomp_section


def _rules() -> list[dict[str, object]]:
    rules = seccomp_section("x86_64")["syscalls"]
    assert isinstance(rules, list)
    return rules


def _names(action: str, *, conditional: bool = False) -> set[str]:
    found: set[str] = set()
    for rule in _rules():
        names = rule["names"]
        assert isinstance(names, list)
        if rule["action"] == action and ("args" in rule) == conditional:
            found.update(names)
    return found


@pytest.mark.parametrize(
    "name",
    ["ptrace", "process_vm_writev", "keyctl", "bpf", "unshare", "setns", "mount", "kexec_load"],
)
def test_denies_on_purpose(name: str) -> None:
    """Listed as denied, so that the answer is EPERM, and allowed nowhere."""
    assert name in _names("SCMP_ACT_ERRNO")
    assert name not in _names("SCMP_ACT_ALLOW") | _names("SCMP_ACT_ALLOW", conditional=True)


@pytest.mark.parametrize("name", ["clone3", "io_uring_setup", "fsopen2", "new_system_call"])
def test_answers_unknown_calls_with_enosys(name: str) -> None:
    """What is in no list does not exist, and libraries fall back."""
    assert seccomp_section("x86_64")["defaultErrnoRet"] == 38
    listed = _names("SCMP_ACT_ALLOW") | _names("SCMP_ACT_ERRNO")
    assert name not in listed


def test_allows_and_denies_nothing_twice() -> None:
    """No call stands in two lists."""
    allowed, denied = _names("SCMP_ACT_ALLOW"), _names("SCMP_ACT_ERRNO")
    assert not allowed & denied
    assert not (allowed | denied) & _names("SCMP_ACT_ALLOW", conditional=True)


def test_checks_the_arguments_of_calls_that_may_go_either_way() -> None:
    """New namespaces by clone, unusual socket families and personalities."""
    conditional = _names("SCMP_ACT_ALLOW", conditional=True)
    assert conditional == {"clone", "socket", "socketpair", "personality"}


def test_knows_the_machines_it_runs_on() -> None:
    """One native architecture, no compatibility mode."""
    assert seccomp_section("aarch64")["architectures"] == ["SCMP_ARCH_AARCH64"]
    with pytest.raises(KeyError):
        seccomp_section("vax")


def test_a_kernel_inside_is_only_told_what_to_deny() -> None:
    """It knows no answer but EPERM: calls that are merely unknown to us are its own business."""
    section: dict[str, Any] = seccomp_section("x86_64", is_by_denial=True)
    assert section["defaultAction"] == "SCMP_ACT_ALLOW"
    (denial,) = section["syscalls"]
    assert denial["action"] == "SCMP_ACT_ERRNO"
    assert {"ptrace", "mount", "bpf"} <= set(denial["names"])
    assert "clone3" not in denial["names"]
