"""`python -m drivers.conformance`: does one run again, and says what broke."""

import sys
from collections.abc import Sequence

from drivers.conformance.cases import Case, is_odd
from drivers.conformance.endurance import ODD, SOAK, Endured, odd, soak
from drivers.conformance.trial import Report, run
from drivers.driver import Driver
from drivers.faults import WIRES

ROUND = 100
"""Sales or records of one round of `soak` and `odd`, unless a fourth argument says otherwise."""
_USAGE = f"""\
usage: python -m drivers.conformance DRIVER/CASE {{{",".join(WIRES)}}} SEED
       python -m drivers.conformance DRIVER/CASE {{{SOAK.name},{ODD}}} SEED [COUNT]
"""


def main(arguments: Sequence[str]) -> int:
    """Replay one run. Returns 0 if every promise held, 2 on wrong usage."""
    from drivers import catalogue

    if len(arguments) not in (3, 4) or "/" not in arguments[0]:
        return _refuse()
    name, case_name = arguments[0].split("/", 1)
    case = catalogue.conformance_cases(name)[case_name]()
    report = _report(catalogue.find(name), case_name, case, *arguments[1:])
    if report is None:
        return _refuse()
    sys.stdout.write(f"{report}\n{report.explain()}\n")
    return 1 if report.failures else 0


def _report(
    driver: Driver, case_name: str, case: Case, what: str, seed: str, count: str = str(ROUND)
) -> Report | Endured | None:
    if what == SOAK.name:
        return soak(driver, case_name, case, int(count), int(seed))
    if what == ODD and is_odd(case):
        return odd(driver, case_name, case, int(count), int(seed))
    return run(driver, case_name, case, WIRES[what], int(seed)) if what in WIRES else None


def _refuse() -> int:
    sys.stderr.write(_USAGE)
    return 2
