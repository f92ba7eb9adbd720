"""What the head of a request asks of its connection."""

from __future__ import annotations

import httptools
import pytest

from lambd.http.heads import (
    RequestRefusedError,
    announced_bytes,
    check_upgrade,
    head_without_upgrade,
    origin_form,
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://a/b?c=d", "/b?c=d"),
        ("HTTPS://user@a:1/b", "/b"),
        ("http://a", "/"),
        ("http://a?c=http://d/e", "/?c=http://d/e"),
        ("http://a//b", "//b"),
        ("*", "*"),
    ],
)
def test_scheme_and_authority_are_taken_off(target: str, expected: str) -> None:
    """What is left begins with a slash, save where there was no path at all."""
    assert origin_form(target) == expected


def test_only_what_cannot_be_ignored_is_refused() -> None:
    """A tunnel, and WebSocket among whatever else is offered."""
    check_upgrade(b"POST", [(b"Upgrade", b"h2c"), (b"upgrade", b"TLS/1.0, IRC/6.9")])
    for method, headers in (
        (b"CONNECT", []),
        (b"GET", [(b"Upgrade", b"h2c"), (b"upgrade", b"IRC, WebSocket")]),
    ):
        with pytest.raises(RequestRefusedError) as caught:
            check_upgrade(method, headers)
        assert caught.value.status == 400


def test_a_head_without_its_offer_is_the_same_request() -> None:
    """Save for the offer, and without an upgrade of the parser's."""

    class Seen:
        """What the parser tells."""

        url = b""
        headers: list[tuple[bytes, bytes]]

        def __init__(self) -> None:
            self.headers = []

        def on_url(self, url: bytes) -> None:
            """Remember it."""
            self.url += url

        def on_header(self, name: bytes, value: bytes) -> None:
            """Remember it."""
            self.headers.append((name, value))

    headers = [(b"Connection", b"Upgrade"), (b"UPGRADE", b"h2c"), (b"Content-Length", b"3")]
    seen = Seen()
    parser = httptools.HttpRequestParser(seen)
    parser.feed_data(head_without_upgrade(b"PUT", b"/a?b", "1.0", headers))
    assert (parser.get_method(), seen.url, parser.get_http_version()) == (b"PUT", b"/a?b", "1.0")
    assert seen.headers == [headers[0], headers[2]]
    assert announced_bytes(seen.headers) == 3
