"""Which addresses are on the public internet, in all the ways in which one can be written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.transport.public_address import is_public_address
from tests.api.fake_transport import quick


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "2606:4700::1111",
        "2a00:1450:4001:81b::200e",
        "::ffff:8.8.8.8",
        "2002:808:808::1",  # 6to4 of 8.8.8.8
        "64:ff9b::808:808",  # NAT64 of 8.8.8.8
    ],
)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        # this host
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",  # noqa: S104  # not bound to, only judged
        "0.1.2.3",
        "::1",
        "::",
        # private networks
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        # link-local, clouds' metadata service among them
        "169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        # multicast, broadcast, reserved, documentation, benchmarks
        "224.0.0.1",
        "239.1.2.3",
        "ff02::1",
        "ff0e::1",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "2001:db8::1",
        "100::1",
        # IPv4 in IPv6 clothes
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::10.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:c0a8:101::",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        # no address at all
        "",
        "localhost",
        "cdn1.wiro.ai",
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "resolved by name",
    ],
)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public_address(address)


@quick
@given(st.ip_addresses().map(str) | st.text(max_size=20))
def test_every_text_is_classified_without_an_error(address: str) -> None:
    assert is_public_address(address) in {True, False}
