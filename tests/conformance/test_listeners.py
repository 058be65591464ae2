"""Conformance: does who only listens say nothing, and does what it could not hear show as litres?"""

from tests.conformance.promises import keep_promises, on_every_wire


@on_every_wire("tap")
def test_what_passes_by_is_reported_and_what_was_missed_shows(driver: str, case: str, wire: str) -> None:
    keep_promises(driver, case, wire)
