"""Rows and keys of HQ's database, as values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


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
class Chain:
    """One chain as it stands: whether items wait behind its mark, how many awards were computed otherwise."""

    epoch: int
    stream: str
    mark: Mark
    mismatched: int = 0
    waits: bool = False


class Chains:
    """All chains of one station, as one question found them."""

    def __init__(self, chains: Iterable[Chain]) -> None:
        self._chains = {(chain.epoch, chain.stream): chain for chain in chains}

    @property
    def newest_epoch(self) -> int:
        """The newest that has begun here; 0 before the first."""
        return max((epoch for epoch, _ in self._chains), default=0)

    def get(self, epoch: int, stream: str) -> Chain | None:
        """None before the chain's first batch."""
        return self._chains.get((epoch, stream))

    def marks(self, epoch: int) -> dict[str, Mark]:
        """How far each stream of this epoch is held."""
        return {chain.stream: chain.mark for chain in self._chains.values() if chain.epoch == epoch}

    def mismatched(self, epoch: int) -> int:
        """How many awards of this epoch were computed otherwise here."""
        return sum(chain.mismatched for chain in self._chains.values() if chain.epoch == epoch)


@dataclass(frozen=True, slots=True)
class Span:
    """What one epoch holds of a stream: the rows after `fork_seq` up to `seq`."""

    epoch: int
    fork_seq: int
    seq: int


class Arrival(NamedTuple):
    """One signed item and the chain's head before it, as its batch says."""

    seq: int
    body: bytes
    leaf: bytes
    head_before: bytes


class ItemRow(NamedTuple):
    """One item as it is kept. A tuple: of thousands a second, making and taking apart a dataclass shows."""

    seq: int
    kind: str
    entity_id: str | None
    member: str | None
    minor: int
    verdict: str
    counted: int
    body: bytes
    leaf: bytes
