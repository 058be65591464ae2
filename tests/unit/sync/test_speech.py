"""Unit: does the station say where its epoch parted from the former one, and only HQ's question says it?"""

from sync import wire
from sync.envelope import encode_head
from sync.keys import SigningKey
from sync.mqtt import Outgoing
from sync.outbox import LEDGER, URGENT
from sync.speech import Speech, Vitals
from tests.unit.sync.memory_outbox import MemoryOutbox

KEY = SigningKey(bytes(range(32)))


def speech(outbox: MemoryOutbox) -> Speech:
    return Speech("cn-0001", outbox, KEY, lambda: 5, lambda: Vitals("0.1.0", "SYNCED"))


def asked(message: Outgoing) -> wire.HelloAsk:
    ask = wire.open_hello_ask(message.payload, lambda station: KEY.public.verify)
    assert isinstance(ask, wire.HelloAsk)
    return ask


def test_a_first_epoch_has_no_fork() -> None:
    outbox = MemoryOutbox()
    outbox.put_many(LEDGER, 9)
    outbox.watermarks[LEDGER] = 6
    ask = asked(speech(outbox).hello("0" * 32))
    assert {(end.stream, end.last_seq, end.watermark) for end in ask.streams} == {
        ("urgent", 0, 0),
        ("ledger", 9, 6),
        ("service", 0, 0),
    }
    assert {(end.fork_seq, end.fork_head) for end in ask.streams} == {(0, "")}


def test_a_later_epoch_tells_its_fork_in_hello_and_not_in_state() -> None:
    outbox = MemoryOutbox()
    outbox.put_many(LEDGER, 9)
    outbox.put_many(URGENT, 2)
    outbox.watermarks[LEDGER] = 6
    outbox.raise_epoch(2)
    fork = (6, encode_head(outbox.heads[LEDGER][6]))
    said = {
        end.stream: (end.fork_seq, end.fork_head) for end in asked(speech(outbox).hello("0" * 32)).streams
    }
    assert said == {"urgent": (0, ""), "ledger": fork, "service": (0, "")}
    state = wire.open_state(speech(outbox).birth().payload, lambda station: KEY.public.verify)
    assert isinstance(state, wire.State)
    assert {(end.fork_seq, end.fork_head) for end in state.streams} == {(0, "")}
