"""Rows and keys of HQ's database, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One chain: the streams of one incarnation (epoch) of one station's database."""

    station: str
    epoch: int
    stream: str


@dataclass(frozen=True, slots=True)
class Mark:
    """HQ holds everything up to `seq`, and the chain's head there is `head`."""

    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """What one epoch holds of a stream: the rows after `fork_seq` up to `seq`."""

    epoch: int
    fork_seq: int
    seq: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """One signed item and the chain's head before it, as its batch says."""

    seq: int
    body: bytes
    leaf: bytes
    head_before: bytes


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One item as it is kept."""

    seq: int
    kind: str
    entity_id: str | None
    member: str | None
    minor: int
    verdict: str
    counted: int
    body: bytes
    leaf: bytes
