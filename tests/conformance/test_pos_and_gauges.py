"""Conformance: do POS links, POS feeds and tank gauges keep their promises on every bad wire?"""

from tests.conformance.promises import keep_promises, on_every_wire


@on_every_wire("POS", "feed", "gauge")
def test_requests_and_readings_survive_every_wire(driver: str, case: str, wire: str) -> None:
    keep_promises(driver, case, wire)
