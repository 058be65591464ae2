"""(b) How many sales a second pass the till when everybody comes at once, against the bare statements."""

import random
import threading
import time
from pathlib import Path
from statistics import median

from agent.handlers import dispatch
from agent.handlers.site import Site
from agent.handlers.told import Seen, Told
from agent.till import Till
from drivers.events import Answer, Fuelling, SalePaid
from tests.bench.figure import Figure
from tests.bench.recording import Recorder, Replay, Statement, regrouped
from tests.bench.rig import BETWEEN_SALES_MS, MORNING_MS, Customers, Day, Sale, serving, site, till_on

THREADS = 32


def burst(directory: Path, *, pairs: int, sales: int) -> Figure:
    """Pairs of our run and its replay; of each pair also with one commit a sale and one a verb."""
    runs = [_pair(directory, pair, sales) for pair in range(pairs)]
    same, by_sale, by_verb, group = (median(run[column] for run in runs) for column in range(1, 5))
    ours = median(run[0] for run in runs)
    ratios = [run[0] / run[1] for run in runs]
    return Figure(
        "burst_through_the_till",
        value=median(ratios),
        limit=0.3,
        at_least=True,
        ratio=median(ratios),
        details={
            "unit": "our sales/s over the baseline's, grouped as ours were",
            "sales_per_s": round(ours),
            "baseline_sales_per_s": round(same),
            "baseline_one_commit_per_sale": round(by_sale),
            "ratio_one_commit_per_sale": round(median(run[0] / run[2] for run in runs), 3),
            "baseline_one_commit_per_verb": round(by_verb),
            "ratio_one_commit_per_verb": round(median(run[0] / run[3] for run in runs), 3),
            "verbs_per_commit": round(group, 1),
            "statements_per_sale": round(runs[0][5], 1),
            "threads": THREADS,
            "sales": sales,
            "pairs": pairs,
            "spread": [round(min(ratios), 3), round(max(ratios), 3)],
        },
    )


def _pair(directory: Path, pair: int, count: int) -> tuple[float, float, float, float, float, float]:
    """Sales/s: ours, replayed as grouped, by sale, by verb; then verbs per commit, statements per sale."""
    here, clock, recorder = site(), Day(), Recorder()
    sales = Customers(random.Random(20_260_708 + pair)).take(count)
    till = till_on(directory / f"burst-{pair}.db", here, clock, recorder.connect)
    with serving(till):
        assert till.opened.wait(20)
        before = list(recorder.statements)
        took_s = _sell(till, here, clock, sales)
    statements = recorder.statements[len(before) :]
    commits = sum(sql == "COMMIT" for sql, _ in statements)
    rates = [_replayed(directory, pair, before, each, count) for each in _groupings(statements)]
    return count / took_s, rates[0], rates[1], rates[2], 2 * count / commits, len(statements) / count


def _groupings(statements: list[Statement]) -> list[list[Statement]]:
    return [statements, regrouped(statements, 2), regrouped(statements, 1)]


def _replayed(
    directory: Path, pair: int, before: list[Statement], statements: list[Statement], count: int
) -> float:
    path = directory / f"burst-{pair}-replay.db"
    replay = Replay(path, before)
    took_s = replay.all_s(statements)
    replay.close()
    for name in directory.glob(f"{path.name}*"):
        name.unlink()
    return count / took_s


def _sell(till: Till, here: Site, clock: Day, sales: list[Sale]) -> float:
    """Seconds until the last of `THREADS` threads has the last answer; every sale must have its points."""
    waiting = list(reversed(list(enumerate(sales))))
    without_points: list[object] = []
    gate = threading.Barrier(THREADS + 1)

    def customers() -> None:
        gate.wait()
        while True:
            try:
                number, sale = waiting.pop()
            except IndexError:
                return
            clock.at_ms = max(clock.at_ms, MORNING_MS + number * BETWEEN_SALES_MS)
            _submit(till, here, clock, sale.line, sale.fuelling)
            answer = _submit(till, here, clock, "pos", sale.paid)
            if not answer.durable or answer.points_minor is None:
                without_points.append(answer)

    threads = [threading.Thread(target=customers) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - began
    assert not without_points, without_points[0]
    return took_s


def _submit(till: Till, here: Site, clock: Day, line: str, event: Fuelling | SalePaid) -> Answer:
    seen = Seen(clock.at_ms, clock.at_ms)
    told: Told = till.submit(lambda tx, at: dispatch.handle(event, line, seen, tx, here, at))
    return told.answer
