"""AWS Signature Version 4 as the receiver of a request checks it. Pure: a request, keys, the time.

Both forms: the Authorization header, and the `X-Amz-*` parameters of a presigned URL. Source: "AWS
Signature Version 4 for API requests" in AWS's IAM guide; security.md section 2 for the texts of
refusals. For every service but S3 the path is normalised and encoded once more than it was sent,
and the payload is always part of what is signed: Lambda takes neither `UNSIGNED-PAYLOAD` nor
chunk signatures (CloudFront's guide, origin access control for function URLs), so
`X-Amz-Content-Sha256` is only a header like others.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote, unquote_to_bytes

from lambd.http.messages import Request
from lambd.model.errors import (
    IncompleteSignatureError,
    InvalidSignatureError,
    UnrecognizedClientError,
)

ALGORITHM = "AWS4-HMAC-SHA256"
# How far the clocks of sender and receiver may be apart.
CLOCK_SKEW = timedelta(minutes=5)
# Longest life of a presigned URL, seconds.
PRESIGNED_MAX_S = 7 * 24 * 3600
_TERMINATOR = "aws4_request"
_TIME = "%Y%m%dT%H%M%SZ"
_TIME_PATTERN = re.compile(r"\d{8}T\d{6}Z")
_HEADER_FIELDS = ("Credential", "SignedHeaders", "Signature")
_QUERY_FIELDS = (
    *("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires"),
    *("X-Amz-SignedHeaders", "X-Amz-Signature"),
)
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What belongs to an access key id; long-lived keys have no session token."""

    secret: str
    session_token: str | None = None
    # Whether a request may do without the token, as it can with a key that is not temporary.
    may_omit_token: bool = False

    def takes(self, token: str | None) -> bool:
        """Whether a request may come with this token, or without one."""
        return token == self.session_token or (token is None and self.may_omit_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """What a request says of its signature."""

    # Access key id, date, region, service, terminator.
    credential: tuple[str, str, str, str, str]
    signed_headers: tuple[str, ...]
    signature: str
    moment: datetime
    session_token: str | None
    # None in the Authorization header.
    expires_after: timedelta | None = None


def is_signed(request: Request) -> bool:
    """Whether a request claims to be signed, in either form."""
    return (
        request.headers.get("authorization", "").startswith("AWS4-")
        or "X-Amz-Algorithm=" in request.query
    )


def signed_region(request: Request) -> str | None:
    """The region of the credential that a request claims to be signed with; None: it names none.

    Nothing is verified: it tells where a request goes, not that it may.
    """
    text = request.headers.get("authorization")
    if text is None:
        if "X-Amz-Credential=" not in request.query:
            return None
        text = unquote(request.query.partition("X-Amz-Credential=")[2].partition("&")[0])
    else:
        text = text.partition("Credential=")[2].partition(",")[0]
    parts = text.split("/")
    # Access key ids have no slash; a text with another form is refused where it is verified.
    return parts[2] if len(parts) == 5 else None


def verify(
    request: Request,
    *,
    keys: Mapping[str, Key],
    region: str,
    now: datetime,
    service: str = "lambda",
) -> str:
    """The access key id that a request is signed with.

    Args:
        request: as received; its body whole.
        keys: by access key id.
        region: the region that the signature must be for.
        now: an aware time.
        service: the service that the signature must be for.

    Raises:
        IncompleteSignatureError: parts of the signature are missing or cannot be read.
        UnrecognizedClientError: no such key, or another session token than the key's.
        InvalidSignatureError: the signature is for something else, another time, or wrong.
    """
    header = request.headers.get("authorization")
    signed = _from_query(request) if header is None else _from_header(request, header)
    _check_scope(signed, region, service)
    key = keys.get(signed.credential[0])
    if key is None or not key.takes(signed.session_token or None):
        raise UnrecognizedClientError
    _check_time(signed, now)
    pairs = request.header_pairs()
    if "host" not in signed.signed_headers:
        raise InvalidSignatureError(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        )
    if not set(signed.signed_headers) <= {name for name, _ in pairs}:
        raise InvalidSignatureError(_MISMATCH)
    signing_key = _signing_key(key.secret, *signed.credential[1:4])
    for query in _canonical_queries(request.query):
        expected = _signature(
            signing_key, signed, _canonical_request(request, signed, pairs, query)
        )
        # As bytes: of text, only ASCII can be compared so.
        if hmac.compare_digest(expected.encode(), signed.signature.encode("latin-1")):
            return signed.credential[0]
    raise InvalidSignatureError(_MISMATCH)


# -- what the request says


def _from_header(request: Request, header: str) -> _Signed:
    algorithm, _, rest = header.partition(" ")
    _check_algorithm(algorithm)
    fields = dict[str, str]()
    for item in rest.split(","):
        name, _, value = item.strip().partition("=")
        fields[name] = value.strip()
    digest = hashlib.sha256(header.encode("latin-1")).hexdigest()
    missing = [
        f"Authorization header requires '{name}' parameter. "
        for name in _HEADER_FIELDS
        if not fields.get(name)
    ]
    moment = _moment(request.headers)
    if moment is None:
        missing.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        )
    if missing or moment is None:
        raise IncompleteSignatureError(
            f"{''.join(missing)}(Hashed with SHA-256) Authorization={digest}"
        )
    return _Signed(
        credential=_credential(fields["Credential"]),
        signed_headers=_names(fields["SignedHeaders"]),
        signature=fields["Signature"],
        moment=moment,
        session_token=request.headers.get("x-amz-security-token"),
    )


def _from_query(request: Request) -> _Signed:
    fields = {name: _text(value) for name, value in _parameters(request.query)}
    missing = [name for name in _QUERY_FIELDS if not fields.get(name)]
    if missing:
        raise IncompleteSignatureError(
            "".join(f"AWS query-string parameters must include '{name}'. " for name in missing)
        )
    _check_algorithm(fields["X-Amz-Algorithm"])
    moment = _parse_moment(fields["X-Amz-Date"])
    seconds = fields["X-Amz-Expires"]
    if moment is None:
        raise IncompleteSignatureError(
            "Date must be in ISO-8601 'basic format'. Got "
            f"'{fields['X-Amz-Date']}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )
    if re.fullmatch("[0-9]{1,6}", seconds) is None or not 1 <= int(seconds) <= PRESIGNED_MAX_S:
        raise IncompleteSignatureError(
            f"X-Amz-Expires must be between 1 and {PRESIGNED_MAX_S} seconds"
        )
    return _Signed(
        credential=_credential(fields["X-Amz-Credential"]),
        signed_headers=_names(fields["X-Amz-SignedHeaders"]),
        signature=fields["X-Amz-Signature"],
        moment=moment,
        session_token=fields.get("X-Amz-Security-Token"),
        expires_after=timedelta(seconds=int(seconds)),
    )


def _check_algorithm(algorithm: str) -> None:
    if algorithm != ALGORITHM:
        raise IncompleteSignatureError(f"Unsupported AWS 'algorithm': '{algorithm}'.")


def _credential(text: str) -> tuple[str, str, str, str, str]:
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not all(parts):
        raise IncompleteSignatureError(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{text}'"
        )
    return parts[0], parts[1], parts[2], parts[3], parts[4]


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted(name.lower() for name in text.split(";")))


def _moment(headers: Mapping[str, str]) -> datetime | None:
    if "x-amz-date" in headers:
        return _parse_moment(headers["x-amz-date"])
    try:
        found = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return _parse_moment(headers.get("date", ""))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _parse_moment(text: str) -> datetime | None:
    if _TIME_PATTERN.fullmatch(text) is None:
        return None
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


# -- what it must be


def _check_scope(signed: _Signed, region: str, service: str) -> None:
    _, date, scope_region, scope_service, terminator = signed.credential
    problems: list[str] = []
    if scope_region != region:
        problems.append(f"Credential should be scoped to a valid region, not '{scope_region}'. ")
    if scope_service != service:
        problems.append(f"Credential should be scoped to correct service: '{service}'. ")
    if terminator != _TERMINATOR:
        problems.append(
            f"Credential should be scoped with a valid terminator: '{_TERMINATOR}', "
            f"not '{terminator}'. "
        )
    sent = _shown(signed.moment)
    if date != sent[:8]:
        problems.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{date}' != '{sent[:8]}', from '{sent}'."
        )
    if problems:
        raise InvalidSignatureError("".join(problems))


def _check_time(signed: _Signed, now: datetime) -> None:
    minutes = int(CLOCK_SKEW.total_seconds()) // 60
    sent = _shown(signed.moment)
    if signed.moment > now + CLOCK_SKEW:
        raise InvalidSignatureError(
            f"Signature not yet current: {sent} is still later than {_shown(now + CLOCK_SKEW)} "
            f"({_shown(now)} + {minutes} min.)"
        )
    if signed.expires_after is not None:
        if signed.moment + signed.expires_after < now:
            seconds = int(signed.expires_after.total_seconds())
            raise InvalidSignatureError(
                f"Signature expired: {sent} is now earlier than "
                f"{_shown(now - signed.expires_after)} ({_shown(now)} - {seconds} sec.)"
            )
    elif signed.moment < now - CLOCK_SKEW:
        raise InvalidSignatureError(
            f"Signature expired: {sent} is now earlier than {_shown(now - CLOCK_SKEW)} "
            f"({_shown(now)} - {minutes} min.)"
        )


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_TIME)


# -- the signature


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, _TERMINATOR):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


def _signature(signing_key: bytes, signed: _Signed, canonical: str) -> str:
    text = "\n".join(
        [
            ALGORITHM,
            _shown(signed.moment),
            "/".join(signed.credential[1:]),
            hashlib.sha256(canonical.encode("latin-1")).hexdigest(),
        ]
    )
    return hmac.digest(signing_key, text.encode("latin-1"), "sha256").hex()


def _canonical_request(
    request: Request, signed: _Signed, pairs: Sequence[tuple[str, str]], query: str
) -> str:
    headers = [
        f"{wanted}:{','.join(' '.join(value.split()) for name, value in pairs if name == wanted)}\n"
        for wanted in signed.signed_headers
    ]
    return "\n".join(
        [
            request.method,
            _canonical_path(request.path),
            query,
            "".join(headers),
            ";".join(signed.signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )


def _canonical_path(path: str) -> str:
    """The path without empty and relative segments, encoded once more than it was sent."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    end = "/" if segments and path.endswith("/") else ""
    return quote(f"/{'/'.join(segments)}{end}".encode("latin-1"), safe="/~")


def _canonical_queries(query: str) -> list[str]:
    """The parameters without the signature, sorted: encoded as they should be, and as sent.

    Signers differ in what they do with characters that should have been encoded and were not;
    either form binds the request that was sent.
    """
    sent = [(n, v) for n, v in _parameters(query) if n != "X-Amz-Signature"]
    encoded = [
        (quote(unquote_to_bytes(n), safe="~"), quote(unquote_to_bytes(v), safe="~"))
        for n, v in sent
    ]
    forms = ["&".join(f"{n}={v}" for n, v in sorted(form)) for form in (encoded, sent)]
    return forms[:1] if forms[0] == forms[1] else forms


def _parameters(query: str) -> list[tuple[str, str]]:
    """Names and values as sent."""
    found: list[tuple[str, str]] = []
    for item in query.split("&"):
        if item:
            name, _, value = item.partition("=")
            found.append((name, value))
    return found


def _text(value: str) -> str:
    return unquote_to_bytes(value).decode("latin-1")
