"""What the courier says to whoever drives it: steps to take, how patient it is, where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sync.envelope import MAX_ITEMS


class Phase(StrEnum):
    OFFLINE = "offline"
    """No connection to a broker."""
    ASKING = "asking"
    """A broker is there; HQ has not answered."""
    ONLINE = "online"
    """HQ answered: rows flow."""


class Breaker(StrEnum):
    """The road to HQ as a circuit breaker; it follows from what the courier and the dialer do anyway."""

    CLOSED = "closed"
    """HQ answers: everything goes through."""
    HALF_OPEN = "half-open"
    """One probe is on its way: a connection is being made, or HQ was asked `hello`."""
    OPEN = "open"
    """Nothing is tried until the pause ends."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The courier's patience.

    `puback_ms`: a broker that confirms nothing for so long is not there (half-open link); 1.5 times the
    keepalive. `silence_ms`: HQ is asked again; doubled per fruitless round up to `ask_max_ms`. `quiet_ms`:
    HQ is asked although nothing waits, so that its age is known. `give_up_ms`: after so long without a
    word of HQ another connection is tried. `metrics_every_ms`: 0 sends none.
    """

    window: int = 20
    batch_items: int = MAX_ITEMS
    batch_bytes: int = 65_536
    puback_ms: int = 30_000
    silence_ms: int = 10_000
    ask_again_ms: int = 1_000
    ask_max_ms: int = 90_000
    quiet_ms: int = 30_000
    give_up_ms: int = 600_000
    metrics_every_ms: int = 0


@dataclass(frozen=True, slots=True)
class SendState:
    """Publish the retained birth. `ref` comes back in `published`."""

    ref: int


@dataclass(frozen=True, slots=True)
class SendHello:
    ref: int
    nonce: str


@dataclass(frozen=True, slots=True)
class SendMetrics:
    """Publish the station's figures with QoS 0: nobody answers, nobody sends them again."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read rows of `stream` after `after_seq`, at most `limit`, and hand them to `batch`."""

    stream: str
    after_seq: int
    limit: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Seal these bodies and publish them. `ref` comes back in `published`."""

    ref: int
    stream: str
    first_seq: int
    bodies: tuple[bytes, ...]
    head_before: bytes


@dataclass(frozen=True, slots=True)
class Leave:
    """Cut this connection and make another: HALF_OPEN, HQ_SILENT."""

    reason: str


Step = SendState | SendHello | SendMetrics | Fetch | Leave


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`heard_at_ms` is when HQ's last verified word came; `halted` says which streams stopped and why.

    `answered_at_ms` is when it last answered a question of ours: only that proves that its word is new.

    `repeating`: items that are to go again because HQ asked for them, by stream.
    """

    phase: Phase
    since_ms: int
    heard_at_ms: int | None
    answered_at_ms: int | None
    outstanding: int
    refused: Mapping[str, int]
    halted: Mapping[str, str]
    repeating: Mapping[str, int]
