"""The cashier: three actions on the POS, and how long the customer waited for the points."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from drivers.events import Answer, BasketLine, Credential, Outcome
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty

T = TypeVar("T")
PATIENCE_S = 45.0
_LOOK_EVERY_S = 0.002


@dataclass
class Cashier:
    """Asks the POS and waits until the customer can be told. `waits_ms`: payment to points, each sale."""

    pos: SimulatorOnPty[PosSimulator]
    clock: Callable[[], int]
    baskets: int = 0
    waits_ms: list[int] = field(default_factory=list)
    unanswered: int = 0

    def present(self, point: str, credential: Credential) -> None:
        self._answer_to(self.pos.act(lambda pos: pos.present(point, credential)))

    def pay(
        self,
        pos_sale_id: str,
        point: str | None,
        fuel_amount_fen: int,
        credential: Credential | None = None,
        lines: Sequence[BasketLine] = (),
    ) -> Answer | None:
        """The payment; returns what the POS showed in the end, None if nothing came in time."""
        began = self.clock()
        number = self.pos.act(
            lambda pos: pos.pay(pos_sale_id, point, fuel_amount_fen, "cash", lines, credential)
        )
        if point is None:
            self.baskets += 1
        answer = self._answer_to(number)
        if answer is not None and answer.outcome is Outcome.WAITING:
            answer = self._shown_later(pos_sale_id)
        if answer is None:
            self.unanswered += 1
        else:
            self.waits_ms.append(self.clock() - began)
        return answer

    def choose(self, pos_sale_id: str, fact_id: str) -> None:
        self._answer_to(self.pos.act(lambda pos: pos.choose(pos_sale_id, fact_id)))

    def identify(self, pos_sale_id: str, credential: Credential) -> None:
        self._answer_to(self.pos.act(lambda pos: pos.identify(pos_sale_id, credential)))

    def refund(self, refund_id: str, pos_sale_id: str, amount_fen: int) -> None:
        self._answer_to(self.pos.act(lambda pos: pos.refund(refund_id, pos_sale_id, amount_fen)))

    def _answer_to(self, number: int) -> Answer | None:
        told = self._await(lambda pos: pos.told.get(number))
        return told.answer if told else None

    def _shown_later(self, pos_sale_id: str) -> Answer | None:
        """The fuelling came after the payment: the POS is shown the points without asking."""
        notice = self._await(lambda pos: next((n for n in pos.shown if n.pos_sale_id == pos_sale_id), None))
        if notice is None:
            return None
        return Answer(Outcome.DONE, durable=True, points_minor=notice.points_minor, text=notice.text)

    def _await(self, look: Callable[[PosSimulator], T | None]) -> T | None:
        deadline = self.clock() + int(PATIENCE_S * 1000)
        while self.clock() < deadline:
            found = self.pos.act(look)
            if found is not None:
                return found
            time.sleep(_LOOK_EVERY_S)
        return None
