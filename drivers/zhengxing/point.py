"""What a master asks one fuelling point, and when a sale may be acknowledged.

State; where a sale waits: totals, sale, totals, sale, until two readings in a row are the same; then it is
reported, and only when it is durable acknowledged. A totals question between two readings also keeps a late
reply from passing for the second one. After a failure the state is asked first, and the sale read again.
"""

from collections import Counter

from drivers.events import DriverEvent, Fuelling, FuellingStarted, Monotonic
from drivers.zhengxing import reading, words
from drivers.zhengxing.codec import Frame
from drivers.zhengxing.commands import Command
from drivers.zhengxing.ledger import Evidence, Ledger
from drivers.zhengxing.options import ZhengxingOptions
from drivers.zhengxing.watch import Watch
from drivers.zhengxing.words import Sale, Totals

PATIENT_READINGS = 8
"""So often two readings of a sale may differ before it is looked at in what they differ."""


class Point:
    """Fed with the replies to its own questions in order."""

    def __init__(self, address: str, number: int, options: ZhengxingOptions) -> None:
        self.number = number
        self.counts: Counter[str] = Counter()
        self._address = address
        self._options = options
        self._watch = Watch()
        self._ledger = Ledger()
        self._last: tuple[Sale, Fuelling] | None = None
        self._reported: Fuelling | None = None
        self._acknowledge: bytes | None = None
        self._read_at_rest: Totals | None = None
        self._is_account_wrong = False
        self._is_last_gone = False
        """The state has said since that no sale waits."""
        self._is_state_due = True
        self._begin_reading()

    def question(self) -> tuple[Command, bytes]:
        """What to ask next, with its data."""
        if self._is_state_due or self._reported is not None:
            return Command.STATE, b""
        if self._acknowledge is not None:
            return Command.ACKNOWLEDGE, self._acknowledge
        if self._watch.is_pending:
            return (Command.TOTALS if self._totals is None else Command.SALE), b""
        return (Command.TOTALS if self._wants_totals() else Command.STATE), b""

    def is_at_rest(self) -> bool:
        """True when this round has nothing more to ask here."""
        return self.question()[0] is Command.STATE and not self._is_state_due

    def begin_round(self) -> None:
        self._is_state_due = self._is_state_due or self._acknowledge is None

    def hear(self, frame: Frame, now: Monotonic) -> list[DriverEvent]:
        """The reply to the question that was asked last."""
        match frame.command:
            case Command.STATE | Command.ACKNOWLEDGE:
                return self._hear_state(frame, now)
            case Command.TOTALS:
                self._hear_totals(words.totals(frame))
            case Command.SALE:
                return self._hear_sale(words.sale(frame, self._options.unsteady_bytes))
            case Command.NOTHING:
                self._begin_reading()
                self._is_state_due = True
        return []

    def durable(self, fuelling: Fuelling) -> None:
        """The till has it. If sight was lost since it was read, it is read again before we say so."""
        if self._reported is fuelling and self._last is not None:
            self._reported, self._acknowledge = None, self._last[0].chain

    def failed(self) -> None:
        """No answer: what was read so far may be of before something that we did not hear."""
        self._begin_reading()
        self._acknowledge = None
        self._is_state_due = True

    def lose_sight(self) -> None:
        """The wire was gone, or the dispenser silent: somebody else may have taken the sale, or sold more."""
        self.failed()
        self._reported = self._read_at_rest = None
        self._watch.forget()
        self._ledger.forget()

    def _begin_reading(self) -> None:
        self._totals: Totals | None = None
        self._before: tuple[Totals, Sale] | None = None
        self._differing_count = 0

    def _wants_totals(self) -> bool:
        return not (self._ledger.is_known() or self._watch.is_flowing)

    def _hear_state(self, frame: Frame, now: Monotonic) -> list[DriverEvent]:
        starts = self._watch.hear(words.state(frame), now)
        if frame.command is Command.ACKNOWLEDGE:
            self._acknowledge = None
            self.counts["ACKNOWLEDGED"] += 1
        self._is_state_due = False
        if not self._watch.is_pending:
            self._begin_reading()
            self._reported = self._acknowledge = None
            self._is_last_gone = True
            self._mend_account()
        if self._watch.is_pending or self._watch.is_flowing:
            self._read_at_rest = None
        return [FuellingStarted(self._address, str(self.number))] if starts else []

    def _mend_account(self) -> None:
        """Litres passed without a sale: how the totals stand is read anew, now that none waits."""
        if self._is_account_wrong:
            self._ledger.forget()
            self._is_account_wrong = False

    def _hear_totals(self, totals: Totals) -> None:
        """With no sale waiting they are read twice too, with a state between."""
        if self._watch.is_pending:
            self._totals = totals
            return
        if self._read_at_rest == totals:
            self._ledger.rest(totals)
        self._read_at_rest, self._is_state_due = totals, True

    def _hear_sale(self, sale: Sale) -> list[DriverEvent]:
        if self._totals is None:
            return []  # sight was lost since it was asked for
        read, before = (self._totals, sale), self._before
        self._totals, self._before = None, read
        if before is None:
            return []
        if before == read:
            return self._take(*read)
        self.counts["READINGS_DIFFER"] += 1
        self._differing_count += 1
        return self._take_differing(before[1], *read) if self._differing_count >= PATIENT_READINGS else []

    def _take_differing(self, before: Sale, totals: Totals, sale: Sale) -> list[DriverEvent]:
        """Readings do not become equal: the totals move because fuel flows behind this sale, or bytes of it
        vary whose meaning is not known. It must not stay there for that."""
        if before == sale:
            return self._take(None, sale)
        if not _is_alike(before, sale):
            return []
        self.counts["RECORD_VARIES"] += 1
        return self._take(totals, words.named_by_totals(sale, totals), ("RECORD_VARIES",))

    def _take(self, totals: Totals | None, sale: Sale, flags: tuple[str, ...] = ()) -> list[DriverEvent]:
        self._begin_reading()
        if not sale.volume_count:
            self.counts["ZERO_VOLUME"] += 1
            self._ledger.account(sale, totals, is_last=False)
            self._acknowledge = sale.chain
            return []
        if self._last is None or self._last[0] != sale:
            self._reported = self._fuelling(sale, sale, totals, flags)
        elif self._is_last_gone and totals is not None and self._ledger.moved_by(sale, totals):
            self.counts["RECORD_ALIKE"] += 1
            self._reported = self._fuelling(sale, words.named_by_totals(sale, totals), totals, flags)
        else:
            self.counts["REPEATED_SALE"] += 1
            self._reported = self._last[1]
        self._last, self._is_last_gone = (sale, self._reported), False
        return [self._reported]

    def _fuelling(self, sale: Sale, named: Sale, totals: Totals | None, flags: tuple[str, ...]) -> Fuelling:
        evidence = self._ledger.account(sale, totals, is_last=False)
        self._is_account_wrong |= "TOTAL_DIFFERS" in evidence.flags
        evidence = Evidence(evidence.after_count, evidence.before_count, flags=evidence.flags + flags)
        ended = self._watch.take_ended()
        return reading.as_fuelling(named, self.number, evidence, ended, self._address, self._options)


def _is_alike(one: Sale, other: Sale) -> bool:
    return (one.amount_count, one.volume_count, one.price, one.chain) == (
        other.amount_count,
        other.volume_count,
        other.price,
        other.chain,
    )
