"""Unit: do the figures say what happened, under names that are told, and always fit into their message?"""

from collections.abc import Mapping
from types import MappingProxyType

from agent.app import metrics
from drivers.events import Answer, DeviceBack, Monotonic, Outcome
from drivers.line import LineStatus
from sync.keys import SigningKey
from sync.speech import FiguresNow, Speech, Vitals
from sync.wire import MAX_FIGURES, MAX_METRICS_BYTES, Metrics, open_metrics
from tests.unit.sync.memory_outbox import MemoryOutbox

KEY = SigningKey(bytes(range(32)))


def line(
    *, is_open: bool = True, silent: tuple[str, ...] = (), counters: Mapping[str, int] = {}
) -> LineStatus:
    return LineStatus("island-1", is_open, None, None, silent, "", MappingProxyType(dict(counters)))


def test_reports_are_counted_by_kind_outcome_and_time() -> None:
    now = [0]
    tally = metrics.Tally(lambda: now[0])
    outcomes = iter((Outcome.DONE, Outcome.REPEATED, Outcome.WAITING, Outcome.UNAVAILABLE))

    def report(event: object, heard: Monotonic) -> Answer:
        now[0] += 60
        return Answer(next(outcomes), durable=True)

    counting = tally.counting(report)
    for _ in range(4):
        assert isinstance(counting(DeviceBack("1"), Monotonic(0)), Answer)
    assert tally.counts() == {
        "step.device_back.ok": 2,
        "step.device_back.waiting": 1,
        "step.device_back.failed": 1,
        "latency.report_ms.le_10": 0,
        "latency.report_ms.le_50": 0,
        "latency.report_ms.le_200": 4,
        "latency.report_ms.le_1000": 4,
        "latency.report_ms.le_inf": 4,
    }


def test_a_line_is_a_breaker_too() -> None:
    def state(of: LineStatus) -> int:
        return metrics.line_gauges([of])["breaker.line.island-1"]

    assert [state(line()), state(line(silent=("1",))), state(line(is_open=False, silent=("1",)))] == [0, 1, 2]


def test_what_a_line_counted_is_told_under_its_name() -> None:
    told = metrics.line_counters([line(counters={"CHECKSUM": 3, "HEARD": 0})])
    assert told == {"line.island-1.CHECKSUM": 3}


def test_the_process_is_measured() -> None:
    gauges = metrics.process_gauges()
    assert gauges["process.rss_bytes"] > 1 << 20
    assert gauges["process.threads"] >= 1
    assert metrics.process_counters()["process.cpu_ms"] > 0


def test_too_many_figures_are_cut_to_what_a_message_carries() -> None:
    many = {f"line.island-with-a-long-name-{n}.COUNTER_{n}": 10**9 + n for n in range(500)}
    gauges, counters = metrics.bounded({"breaker.hq": 2}, many)
    assert gauges == {"breaker.hq": 2}
    assert 100 < len(counters) < MAX_FIGURES
    speech = Speech("cn-0001", MemoryOutbox(), KEY, lambda: 5, lambda: Vitals("0.1.0", "SYNCED"))
    message = speech.metrics(FiguresNow("ONLINE", counters, gauges))
    assert message is not None
    assert (message.qos, message.retain, len(message.payload) <= MAX_METRICS_BYTES) == (0, False, True)
    read = open_metrics(message.payload, lambda station: KEY.public.verify)
    assert isinstance(read, Metrics)
    assert (read.gauges, read.counters, read.mode) == (gauges, counters, "ONLINE")
    short = {f"n{n}": n for n in range(500)}
    assert len(metrics.bounded({}, short)[1]) == MAX_FIGURES


def test_figures_that_were_forged_or_are_too_long_are_refused() -> None:
    speech = Speech("cn-0001", MemoryOutbox(), KEY, lambda: 5, lambda: Vitals("0.1.0", "SYNCED"))
    message = speech.metrics(FiguresNow("OFFLINE", {"a": 1}, {}))
    assert message is not None
    forged = open_metrics(message.payload.replace(b'"a":1', b'"a":2'), lambda station: KEY.public.verify)
    assert not isinstance(forged, Metrics)
    assert forged.reason == "BAD_SIGNATURE"
    assert speech.metrics(FiguresNow("ONLINE", {f"{'x' * 55}.{n}": n for n in range(190)}, {})) is None
