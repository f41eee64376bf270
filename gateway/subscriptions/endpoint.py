"""Where notifications may go: to public https addresses, and to what an operator has allowed by name or network.

Names are resolved here and only the addresses that were judged are connected to, so that a name cannot point
elsewhere between the two. Redirects are never followed.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

PORTS = {"https": 443, "http": 80}


class NotAllowed(ValueError):
    """An endpoint that notifications may not be sent to; the text says why."""


class Allowed:
    """The hosts (`simrs.rs.local`) and networks (`192.168.10.0/24`) that may be told by plain http or lie inside."""

    def __init__(self, entries: Sequence[str]) -> None:
        """Raises ValueError for an entry that is neither."""
        self._names = frozenset(entry.lower() for entry in entries if not _is_network(entry))
        self._networks = tuple(ip_network(entry, strict=False) for entry in entries if _is_network(entry))

    def check(self, url: str) -> SplitResult:
        """The parts of an endpoint's URL. Raises NotAllowed for one that is not for us to call."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise NotAllowed(str(error)) from None
        host = (parts.hostname or "").lower()
        if parts.scheme not in PORTS or not host or port == 0:
            raise NotAllowed("it is no http or https address")
        if parts.username is not None or parts.fragment:
            raise NotAllowed("credentials belong into channel.header, and a fragment reaches no server")
        address = _address(host)
        if self.name(host) or (address and self.address(address)):
            return parts
        if parts.scheme != "https":
            raise NotAllowed("plain http is for hosts that the operator has allowed")
        if address and not address.is_global:
            raise NotAllowed("an address inside a network needs the operator's permission")
        return parts

    def name(self, host: str) -> bool:
        """Whether a host is allowed by its name, wherever that leads."""
        return host.lower() in self._names

    def address(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address lies in an allowed network."""
        return any(address in network for network in self._networks)


class Guard(AbstractResolver):
    """Resolves names for the connections of notifications, and keeps back every address that is not allowed."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._inner: AbstractResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host that may be connected to. Raises OSError where there is none."""
        if self._inner is None:
            self._inner = ThreadedResolver()
        found = await self._inner.resolve(host, port, family)
        if self._allowed.name(host):
            return found
        kept = [row for row in found if self._permitted(ip_address(row["host"].partition("%")[0]))]
        if not kept:
            raise OSError(None, f"{host} leads to an address inside a network, which the operator has not allowed")
        return kept

    def _permitted(self, address: IPv4Address | IPv6Address) -> bool:
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return address.is_global or self._allowed.address(address)

    async def close(self) -> None:
        """Nothing stays open."""


def origin(parts: SplitResult) -> str:
    """Scheme, host and port: whom a credential is for."""
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{parts.port or PORTS[parts.scheme]}"


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        if "/" in entry:
            raise
        return False
    return True


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
