"""Where a request's Host header leads: to a function URL, to the API, or nowhere. Pure.

Function URLs are told apart from the API by nothing else, so the name is matched whole. The API is
there for loopback names and those that the operator allows: a web page whose own name has been made
to lead here (DNS rebinding) comes with that name, and is refused by it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

# What one header with one host looks like; repeated headers have been joined by commas.
_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_URL_LABEL = ".lambda-url."
# Hosts whose meaning is remembered.
_REMEMBERED = 1000


class HostKind(Enum):
    """What answers at a host."""

    API = auto()
    FUNCTION_URL = auto()
    # A name that is not ours.
    FOREIGN = auto()
    # No host, several ones, or none that could be one.
    MALFORMED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One value of the header."""

    kind: HostKind
    # In lower case, without the port.
    name: str = ""
    port: int | None = None
    # Of a function URL that may exist: the first label, and the region.
    url_id: str | None = None
    region: str | None = None


class Hosts:
    """Knows what hosts there are; remembers what it was asked, for the warm path."""

    def __init__(self, *, url_domain: str, allowed: Collection[str] = ()) -> None:
        """Args:
        url_domain: what stands behind the region in the names of function URLs.
        allowed: names at which the API is there, beside loopback ones.
        """
        self._url = re.compile(
            rf"([a-z0-9]{{32}})\.lambda-url\.([a-z0-9-]+)\.{re.escape(url_domain)}"
        )
        self._allowed = frozenset(name.lower() for name in allowed)
        self._remembered: dict[str | None, Host] = {}

    def find(self, value: str | None) -> Host:
        """What a Host header means; None: there is none."""
        host = self._remembered.get(value)
        if host is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            host = self._remembered[value] = self._parse("" if value is None else value)
        return host

    def _parse(self, value: str) -> Host:
        match = _HOST.fullmatch(value.lower())
        if match is None:
            return Host(kind=HostKind.MALFORMED)
        name, port = match[1], None if match[2] is None else int(match[2])
        if _URL_LABEL in name:
            url = self._url.fullmatch(name)
            url_id, region = (None, None) if url is None else (url[1], url[2])
            return Host(
                kind=HostKind.FUNCTION_URL, name=name, port=port, url_id=url_id, region=region
            )
        is_api = _is_loopback(name) or name in self._allowed
        return Host(kind=HostKind.API if is_api else HostKind.FOREIGN, name=name, port=port)


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
