"""Unit: are the ten bytes of a heartbeat what a node must say, and the same both ways?"""

from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.ifsf_road.heartbeat import Heartbeat, encode_heartbeat, parse_heartbeat

BEATS = st.builds(
    Heartbeat,
    host=st.ip_addresses(v=4).map(str),
    port=st.integers(0, 65_535),
    node_address=st.binary(min_size=2, max_size=2),
    status=st.binary(min_size=1, max_size=1),
)


def test_the_bytes_stand_where_an_adapter_puts_them() -> None:
    """Address, port, node address, 01, status: the order in adapter Z, with its own settings."""
    beat = Heartbeat("11.0.27.198", 18_899, b"\x01\x09", b"\x01")
    assert encode_heartbeat(beat).hex(" ") == "0b 00 1b c6 49 d3 01 09 01 01"
    assert (beat.wants_configuration, beat.wants_refresh) == (True, False)


@settings(deadline=None, max_examples=50)
@given(BEATS)
def test_what_is_said_is_what_is_heard(beat: Heartbeat) -> None:
    datagram = encode_heartbeat(beat)
    assert IPv4Address(datagram[:4]) == IPv4Address(beat.host)
    assert parse_heartbeat(datagram) == beat
    assert parse_heartbeat(datagram + b"\x00") is None
    assert parse_heartbeat(datagram[:8] + b"\x02" + datagram[9:]) is None
