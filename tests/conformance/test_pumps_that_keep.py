"""Conformance: do devices that keep a sale until we have it (hand-over A) lose none on any bad wire?"""

from tests.conformance.promises import keep_promises, on_every_wire


@on_every_wire("A")
def test_what_is_kept_is_read_reported_and_only_then_released(driver: str, case: str, wire: str) -> None:
    keep_promises(driver, case, wire)
