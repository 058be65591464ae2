"""Conformance: is nothing lost of devices that keep only their last sale (hand-over B), and is nothing
made up by those that only count (C)?"""

from tests.conformance.promises import keep_promises, on_every_wire


@on_every_wire("B")
def test_a_sale_is_read_before_the_next_one_overwrites_it(driver: str, case: str, wire: str) -> None:
    keep_promises(driver, case, wire)


@on_every_wire("C")
def test_what_a_counter_tells_flowed_and_what_it_does_not_shows_as_litres(
    driver: str, case: str, wire: str
) -> None:
    keep_promises(driver, case, wire)
