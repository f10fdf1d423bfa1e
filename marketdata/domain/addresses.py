"""Which addresses may be asked for market data: hosts of a list, over TLS; this machine itself only where the list names it."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

SECURE = frozenset({"https", "wss"})
PLAIN = frozenset({"http", "ws"})
GLOBAL = ipaddress.IPv6Network("2000::/3")  # of all others nothing is handed out to the public internet


class BadAddress(ValueError):
    """The address is not one that may be asked."""


def check_address(url: str, hosts: Collection[str]) -> str:
    """Return the address without a slash at its end, if it may be asked.

    A host of the list that begins with a dot stands for all names that end so.

    :raises BadAddress: saying what is wrong with it

    >>> check_address("https://data.alpaca.markets/", ["data.alpaca.markets"])
    'https://data.alpaca.markets'
    >>> check_address("https://example.com", ["data.alpaca.markets"])
    Traceback (most recent call last):
        ...
    marketdata.domain.addresses.BadAddress: example.com is not among the hosts that may be asked; PROVIDER_HOSTS lists them.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise BadAddress(f"That is no address: {error}.") from error
    if not host or not url.isascii() or not url.isprintable() or "\\" in url:
        raise BadAddress("Write the address as https://example.com/path.")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("Leave names and passwords out of the address.")
    if parts.scheme not in SECURE and not (parts.scheme in PLAIN and is_loopback(host)):
        raise BadAddress("The address must begin with https:// (or wss:// for a stream).")
    if not is_listed(host, hosts):
        raise BadAddress(f"{host} is not among the hosts that may be asked; PROVIDER_HOSTS lists them.")
    return url.rstrip("/")


def is_listed(host: str, hosts: Collection[str]) -> bool:
    """Say whether a host is on a list.

    >>> is_listed("api.kraken.com", [".kraken.com"]), is_listed("evilkraken.com", [".kraken.com"])
    (True, False)
    """
    return any(host == each or (each.startswith(".") and host.endswith(each)) for each in map(str.lower, hosts))


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine itself, by its number or by the one name that means it.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("127.0.0.1.example.com")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_public(address: str) -> bool:
    """Say whether a number is an address of the public internet: no private network, no machine's own, no cloud's metadata.

    >>> is_public("8.8.8.8"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1"), is_public("64:ff9b::a00:1")
    (True, False, False, False)
    """
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or _translated(number)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
        return number in GLOBAL and number.is_global
    return number.is_global and not number.is_multicast


def _translated(number: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a NAT64 address stands for."""
    if number in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    return None
