"""Function names, ARNs and qualifiers: every accepted form, round trips, refusals."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.model.arns import (
    LATEST,
    FunctionReference,
    Scope,
    is_alias_name,
    is_version_number,
    parse_function_reference,
    parse_latest,
    parse_new_name,
    parse_unqualified,
)
from lambd.model.errors import AccessDeniedError, InvalidParameterError, NotFoundError

SCOPE = Scope(account_id="123456789012", region="eu-west-1")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f"

# `function` and what looks like a region or an account is read as such where it precedes a colon.
NAMES = st.from_regex(re.compile(r"[a-zA-Z0-9-_]{1,64}", re.ASCII), fullmatch=True).filter(
    lambda name: name != "function" and re.fullmatch(r"\d{12}|.*-\d", name, re.ASCII) is None
)
ALIASES = st.from_regex(re.compile(r"[a-zA-Z0-9-_]{1,128}", re.ASCII), fullmatch=True).filter(
    lambda name: re.fullmatch(r"[0-9]+", name) is None
)
VERSIONS = st.integers(1, 10**9).map(str)
QUALIFIERS = st.one_of(st.none(), ALIASES, VERSIONS, st.just(LATEST))
REGIONS = st.sampled_from(
    ("us-east-1", "ap-southeast-2", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1")
)
SCOPES = st.builds(
    Scope,
    account_id=st.from_regex(re.compile(r"[0-9]{12}"), fullmatch=True),
    region=REGIONS,
    partition=st.sampled_from(["aws", "aws-cn", "aws-us-gov"]),
)


@given(scope=SCOPES, name=NAMES, qualifier=QUALIFIERS)
def test_an_arn_reads_as_what_it_was_made_of(
    scope: Scope, name: str, qualifier: str | None
) -> None:
    """Formatting and parsing are inverse."""
    expected = FunctionReference(name=name, qualifier=qualifier)
    assert parse_function_reference(scope.function_arn(name, qualifier), scope) == expected


@given(scope=SCOPES, name=NAMES, qualifier=QUALIFIERS, is_separate=st.booleans(), form=st.data())
def test_all_forms_mean_the_same(
    scope: Scope, name: str, qualifier: str | None, is_separate: bool, form: st.DataObject
) -> None:
    """Bare, partial and full, the qualifier in the name, beside it, or both."""
    prefix = form.draw(
        st.sampled_from(
            [
                "",
                "function:",
                f"{scope.account_id}:function:",
                f"{scope.region}:{scope.account_id}:function:",
                scope.function_arn(""),
            ]
        )
    )
    text = prefix + name
    if qualifier is not None and not is_separate:
        text += f":{qualifier}"
    expected = FunctionReference(name=name, qualifier=qualifier)
    assert parse_function_reference(text, scope, qualifier) == expected


@given(name=NAMES, own=ALIASES | VERSIONS, other=ALIASES | VERSIONS)
def test_qualifiers_must_agree(name: str, own: str, other: str) -> None:
    """One in the name and another beside it are refused with AWS's text."""
    if own == other:
        return
    with pytest.raises(InvalidParameterError) as raised:
        parse_function_reference(f"{name}:{own}", SCOPE, other)
    assert raised.value.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


@given(text=st.text(max_size=200) | st.from_regex(r"(arn:|aws|lambda|[:a-z0-9$_.-]){1,12}"))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    """No text raises anything else, and what is accepted has a name and no empty qualifier."""
    try:
        reference = parse_function_reference(text, SCOPE)
    except (InvalidParameterError, NotFoundError, AccessDeniedError):
        return
    assert reference.name
    assert reference.qualifier != ""


@given(qualifier=ALIASES | VERSIONS | st.sampled_from([LATEST, "$LATEST.PUBLISHED"]))
def test_a_qualifier_is_one_of_three_kinds(qualifier: str) -> None:
    """Version number, alias, or one of AWS's own."""
    kinds = [is_version_number(qualifier), is_alias_name(qualifier), qualifier.startswith("$")]
    assert sum(kinds) == 1


def test_another_region_is_not_found() -> None:
    """With AWS's text, whatever else is in the ARN."""
    with pytest.raises(NotFoundError) as raised:
        parse_function_reference("arn:aws:lambda:us-east-1:999999999999:function:f:1", SCOPE)
    assert raised.value.message == (
        "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("arn:aws:lambda:eu-west-1:999999999999:function:f", id="full"),
        pytest.param("999999999999:function:f:1", id="partial"),
        pytest.param("arn:aws-cn:lambda:eu-west-1:123456789012:function:f", id="partition"),
    ],
)
def test_another_account_is_denied(text: str) -> None:
    """A platform serves one account."""
    with pytest.raises(AccessDeniedError):
        parse_function_reference(text, SCOPE)


Parse = Callable[[str, Scope], str]


@pytest.mark.parametrize("text", ["f", "function:f", "123456789012:function:f", ARN])
@pytest.mark.parametrize(
    "parse",
    [
        pytest.param(parse_unqualified, id="unqualified"),
        pytest.param(parse_latest, id="latest"),
        pytest.param(parse_new_name, id="new"),
    ],
)
def test_unqualified_names_are_names_everywhere(parse: Parse, text: str) -> None:
    """In every form."""
    assert parse(text, SCOPE) == "f"


@pytest.mark.parametrize("qualifier", ["1", "live", LATEST])
def test_operations_on_functions_take_no_qualifier(qualifier: str) -> None:
    """Not even `$LATEST`."""
    with pytest.raises(InvalidParameterError) as raised:
        parse_unqualified(f"{ARN}:{qualifier}", SCOPE)
    assert raised.value.message == (
        "This operation is permitted on Lambda functions only. Aliases and versions do not "
        "support this operation. Please specify either a function name or an unqualified "
        "function ARN."
    )


@pytest.mark.parametrize("parse", [parse_latest, parse_new_name], ids=["latest", "new"])
def test_operations_on_latest_take_no_other_qualifier(parse: Parse) -> None:
    """`$LATEST` may be said."""
    assert parse(f"{ARN}:{LATEST}", SCOPE) == "f"
    for qualifier in ("1", "live"):
        with pytest.raises(InvalidParameterError) as raised:
            parse(f"f:{qualifier}", SCOPE)
        assert raised.value.message == (
            "Current operation does not support versions other than $LATEST"
        )


def test_only_new_names_are_limited() -> None:
    """A name of 65 characters can't be given; asking for one finds nothing."""
    name = "n" * 65
    assert parse_function_reference(name, SCOPE).name == name
    assert parse_new_name("n" * 64, SCOPE) == "n" * 64
    with pytest.raises(InvalidParameterError) as raised:
        parse_new_name(name, SCOPE)
    assert raised.value.message == (
        f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy "
        "constraint: Member must have length less than or equal to 64"
    )
