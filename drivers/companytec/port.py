"""What every simulated port of a concentrator has: its own read pointers, and answers that come late."""

from abc import ABC, abstractmethod
from collections import deque

from drivers.companytec.commands import Command
from drivers.companytec.concentrator import Concentrator, Record
from drivers.events import Monotonic


class Port(ABC):
    """One port, in the protocol of its subclass. `answer_ms` is how late it answers."""

    def __init__(self, concentrator: Concentrator | None, answer_ms: int) -> None:
        self.concentrator = concentrator or Concentrator()
        self.read = self.concentrator.write
        self.read_card = len(self.concentrator.cards)
        self.released: list[Record] = []
        self.forbidden_heard: list[Command] = []
        self._answer_ms = answer_ms
        self._replies: deque[tuple[Monotonic, bytes]] = deque()
        self._now = Monotonic(0)

    @abstractmethod
    def _hear(self, data: bytes) -> None:
        """Take bytes from the wire."""

    @abstractmethod
    def _forget(self) -> None:
        """Drop half frames."""

    def begin(self, nozzle: str) -> None:
        """Fuel starts to flow at a nozzle."""
        self.concentrator.begin(nozzle)

    def sell(
        self, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, tag: str | None = None
    ) -> Record:
        """One finished sale; see `Concentrator.sell`."""
        return self.concentrator.sell(nozzle, volume_ml, amount_fen, price_milli, tag, self._now)

    def present(self, nozzle: str, tag: str) -> None:
        """An unknown card is shown at a nozzle."""
        self.concentrator.present(nozzle, tag)

    def backlog(self) -> int:
        """Records that wait for this port."""
        return (self.concentrator.write - self.read) % self.concentrator.positions

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._now = now
        self._hear(data)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        self._now = now
        data = b""
        while self._replies and self._replies[0][0] <= now:
            data += self._replies.popleft()[1]
        return data

    def next_timer(self) -> Monotonic | None:
        return self._replies[0][0] if self._replies else None

    def power_cycle(self, now: Monotonic) -> None:
        """Ring, pointers and totals are permanent; half frames and unsent answers are gone."""
        self._forget()
        self._replies.clear()
        self.concentrator.flowing.clear()

    def step_by_another_program(self) -> None:
        """Somebody else on this port moves the read pointer."""
        self._step()

    def _reply(self, data: bytes) -> None:
        self._replies.append((Monotonic(self._now + self._answer_ms), data))

    def _waiting(self) -> Record | None:
        """The record at the read pointer."""
        return self.concentrator.ring[self.read] if self.backlog() else None

    def _step(self) -> None:
        if (record := self._waiting()) is not None:
            self.released.append(record)
            self.read = (self.read + 1) % self.concentrator.positions

    def _step_card(self) -> None:
        self.read_card = min(self.read_card + 1, len(self.concentrator.cards))
