"""Which addresses may be called when a stranger named the host: the public internet, by a rule of our own (SSRF).

`ipaddress.is_global` of Python 3.11 misjudges some of these: mapped IPv4, NAT64, 6to4, shared address space, multicast.
"""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult

# IANA's special-purpose registries: everything in them that is no public unicast address.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_PUBLIC_6 = IPv6Network("2000::/3")  # all that is given out as global unicast
_NOT_PUBLIC_6 = tuple(
    IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "64:ff9b::/96", "64:ff9b:1::/48")
)


def is_public(address: str) -> bool:
    """Say whether an IP address, as a resolver spells it, is one of the public internet."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if isinstance(ip, IPv4Address):
        return not any(ip in net for net in _NOT_PUBLIC_4)
    return ip in _PUBLIC_6 and not any(ip in net for net in _NOT_PUBLIC_6)


def is_loopback(host: str) -> bool:
    """Say whether a host is spelled as this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_callable(parts: SplitResult) -> bool:
    """Say whether an address may be called at all: https with a name and the default port, or this machine itself.

    An address of this machine is only ever stored where CARTWHEEL_ALLOW_LOOPBACK_SHOPS lets it (`app/services/shops.py`).
    """
    host = parts.hostname or ""
    if parts.username is not None or not host:
        return False
    if is_loopback(host):
        return parts.scheme in {"http", "https"}
    is_name = not host.rpartition(".")[2].isdecimal() and ":" not in host
    return parts.scheme == "https" and parts.port in {None, 443} and is_name
