"""(h) Does a sale get slower as the ledger grows? The same sales at two stations, one with a long past.

The verb of a fuelling that awards at once, handler and commit, through a till in its thread. Sales of
both stations are taken in turn, each after a pause, so that whatever else the machine does meets both.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from agent.clock import Instant
from agent.handlers import dispatch
from agent.handlers.site import Site
from agent.handlers.told import Seen, Told
from agent.messages import ids
from agent.store.database import Store
from agent.till import Till
from drivers.events import Credential, CredentialKind
from tests.bench.figure import Figure, p99, rounded
from tests.bench.history import COLLECTED, COLLECTOR, KEPT, MEMBERS
from tests.bench.rig import BETWEEN_SALES_MS, Customers, Day, Sale, serving, tag

PAUSE_S: Final = 0.01
WARM_SALES: Final = 20
"""Not counted: the first sales fetch pages that later ones find."""


def growth(small: tuple[Path, int], large: tuple[Path, int], here: Site, *, sales: int) -> list[Figure]:
    """`small` and `large`: a database of `History`, and the time at which its station goes on."""
    with ExitStack() as stack:
        tills = [stack.enter_context(_reopened(path, here, now_ms)) for path, now_ms in (small, large)]
        rng = random.Random(1)
        customers = Customers(rng)
        ordinary = _in_turn(
            tills, here, customers.take(WARM_SALES + sales), lambda: rng.randrange(1, MEMBERS)
        )
        collector = _in_turn(tills, here, customers.take(WARM_SALES + sales), lambda: COLLECTOR)
    return [
        _figure("sale_with_a_long_past", ordinary, KEPT),
        _figure("sale_of_a_member_with_many_lots", collector, COLLECTED),
    ]


def _figure(name: str, took_s: tuple[list[float], list[float]], lots: int) -> Figure:
    small, large = took_s
    ratio = median(large) / median(small)
    return Figure(
        name,
        value=ratio,
        limit=1.3,
        ratio=ratio,
        details={
            "unit": "p50 with the long past over p50 with the short one",
            "lots_of_the_member": lots,
            "short_p50_ms": rounded(1_000 * median(small)),
            "long_p50_ms": rounded(1_000 * median(large)),
            "short_p99_ms": rounded(1_000 * p99(small)),
            "long_p99_ms": rounded(1_000 * p99(large)),
            "sales": len(small),
        },
    )


@contextmanager
def _reopened(path: Path, here: Site, now_ms: int) -> Iterator[tuple[Till, Day]]:
    clock = Day(at_ms=now_ms)

    def broken(error: BaseException) -> None:
        raise error

    def open_store() -> Store:
        return Store.open(path, here.station, here.programme, Instant(now_ms))

    with serving(Till(open_store, clock, lambda store: None, broken)) as till:
        assert till.opened.wait(20)
        yield till, clock


def _in_turn(
    tills: list[tuple[Till, Day]], here: Site, sales: list[Sale], member: Callable[[], int]
) -> tuple[list[float], list[float]]:
    """Seconds of each sale at either station."""
    took_s: tuple[list[float], list[float]] = ([], [])
    for number, sale in enumerate(sales):
        whose = Credential(CredentialKind.TAG, tag(member()))
        for (till, clock), times in zip(tills, took_s, strict=True):
            time.sleep(PAUSE_S)
            clock.at_ms += BETWEEN_SALES_MS
            wait_s = _sell(till, clock, here, sale, whose)
            if number >= WARM_SALES:
                times.append(wait_s)
    return took_s


def _sell(till: Till, clock: Day, here: Site, sale: Sale, whose: Credential) -> float:
    fuelling, seen = replace(sale.fuelling, credential=whose), Seen(clock.at_ms, clock.at_ms)
    began_s = time.perf_counter()
    told: Told = till.submit(lambda tx, at: dispatch.handle(fuelling, sale.line, seen, tx, here, at))
    took_s = time.perf_counter() - began_s
    fact_id = ids.from_text(told.answer.fact_id)
    assert fact_id is not None, told
    awarded = till.submit(lambda tx, at: tx.awards.of_fact(fact_id))
    assert awarded is not None, told
    return took_s
