"""Which addresses may be called when a stranger named the host."""

from urllib.parse import urlsplit

import pytest

from integrations.addresses import is_callable, is_public


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "100.128.0.1"])
def test_an_address_of_the_internet_may_be_called(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1", "100.64.0.1", "224.0.0.1",
        "239.1.1.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "192.88.99.1",
        "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1", "2001::1", "no address", "",
    ],
)  # fmt: skip
def test_an_address_of_a_private_network_may_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://shop.example.com", True),
        ("https://shop.example.com:443/de", True),
        ("http://127.0.0.1:8001/woocommerce", True),  # stored only where loopback shops are allowed
        ("https://[::1]:8001", True),
        ("http://shop.example.com", False),
        ("https://shop.example.com:8443", False),
        ("https://user@shop.example.com", False),
        ("https://93.184.216.34", False),
        ("https://[2606:4700::1111]", False),
        ("https://2130706433", False),
        ("ftp://shop.example.com", False),
        ("https://", False),
        ("", False),
    ],
)
def test_only_a_public_name_over_https_is_called(url: str, may: bool) -> None:
    assert is_callable(urlsplit(url)) is may
