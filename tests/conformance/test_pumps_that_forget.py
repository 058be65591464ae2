"""Conformance: is nothing lost of devices that keep only their last sale or a counter (hand-over B, C)?"""

from tests.conformance.promises import keep_promises, on_every_wire


@on_every_wire("B", "C")
def test_a_sale_is_read_before_the_next_one_overwrites_it(driver: str, case: str, wire: str) -> None:
    keep_promises(driver, case, wire)
