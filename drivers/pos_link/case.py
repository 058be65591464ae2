"""How the conformance kit makes a POS ask: all five requests, with Chinese text in them."""

import random
from collections.abc import Sequence

from drivers.events import Answer, BasketLine, Credential, CredentialKind, Monotonic, PosRequest
from drivers.pos_link.fields import PROFILE_VERSION
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.session import PosLinkSession
from drivers.pos_link.simulator import PosSimulator


class PosLinkCase:
    """A `PosCase` of the kit: register 1 with the given encoding, a POS of this profile version."""

    hand_over: None = None

    def __init__(self, options: PosLinkOptions, version: int = PROFILE_VERSION) -> None:
        self._options = options
        self.simulator = PosSimulator(options, version)

    def open_session(self) -> PosLinkSession:
        return PosLinkSession("1", self._options)

    def ask(self, rng: random.Random, now: Monotonic) -> None:
        pos = self.simulator
        serial = len(pos.asked) + 1
        sale = f"S{serial:06d}"
        member = Credential(rng.choice(list(CredentialKind)), f"鲁A{serial:05d}")
        amount_fen = rng.randrange(1, 50_000)
        match rng.randrange(6):
            case 0:
                pos.present(str(rng.randrange(1, 17)), member)
            case 1:
                pos.pay(sale, "3", amount_fen, "现金", _basket(rng), member)
            case 2:
                pos.pay(sale, None, 0, "CARD", _basket(rng))
            case 3:
                pos.choose(sale, f"fact-{amount_fen}")
            case 4:
                pos.identify(sale, member)
            case _:
                pos.refund(f"R{serial}", sale, amount_fen)

    def asked(self) -> Sequence[PosRequest]:
        return list(self.simulator.asked.values())

    def answers(self) -> Sequence[Answer | None]:
        told = self.simulator.told
        return [told[number].answer if number in told else None for number in self.simulator.asked]


def _basket(rng: random.Random) -> tuple[BasketLine, ...]:
    return tuple(
        BasketLine(f"矿泉水{index}", rng.randrange(1, 9) * 1000, rng.randrange(100, 5_000))
        for index in range(rng.randrange(4))
    )
