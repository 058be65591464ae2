"""One ticket of one register, from its first line to its number: does it add up, and what was sold?"""

from dataclasses import dataclass, field

from drivers.events import BasketLine, SalePaid
from drivers.feed import netted, part_id, sales_of
from drivers.verifone_journal.codec import Change, End, Item, Tax, Tender, Total
from drivers.verifone_journal.options import VerifoneJournalOptions

MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why a ticket is not reported: VOIDED, INCOMPLETE, NOT_A_SALE, NOT_ADDING_UP or REFUND_NOT_NAMED."""

    code: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Money given back of a prepayment at this pump: the fuel that was not taken."""

    pump: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a ticket says: the sales in it, at which pumps was paid in advance, and what was given back."""

    sales: tuple[SalePaid, ...]
    prepaid: dict[str, str]
    rests: tuple[Rest, ...]


@dataclass
class Ticket:
    """The lines so far. `sound` is False when one of them may be missing."""

    sound: bool
    items: list[Item] = field(default_factory=list)
    tenders: list[Tender] = field(default_factory=list)
    total_fen: int | None = None
    tax_fen: int = 0
    change_fen: int = 0
    voided: bool = False

    @property
    def is_begun(self) -> bool:
        return bool(self.items or self.tenders or self.total_fen is not None)

    def take(self, line: Item | Total | Tax | Tender | Change) -> None:
        """One more line. Goods after a payment: the end of the ticket before was not heard."""
        match line:
            case Item():
                self.sound &= not self.tenders and len(self.items) < MOST_LINES
                self.items += [line] if self.sound else []
            case Total(amount_fen):
                self.total_fen = amount_fen
            case Tax(amount_fen):
                self.tax_fen += amount_fen
            case Change(amount_fen):
                self.change_fen += amount_fen
            case Tender():
                self.sound &= len(self.tenders) < MOST_LINES
                self.tenders += [line] if self.sound else []


def settle(ticket: Ticket, register: str, end: End, options: VerifoneJournalOptions) -> Settled | Dropped:
    """What is to be reported of a finished ticket."""
    if ticket.voided:
        return Dropped("VOIDED")
    if not ticket.sound:
        return Dropped("INCOMPLETE")
    if ticket.total_fen is None or not ticket.tenders or not ticket.items:
        return Dropped("NOT_A_SALE")
    if not (_lines_add_up(ticket, options) and _tenders_add_up(ticket, options)):
        return Dropped("NOT_ADDING_UP")
    goods = netted(
        [
            BasketLine(item.description, item.quantity_count * 1_000, item.amount_fen)
            for item in ticket.items
            if not item.pump
        ]
    )
    if goods is None:
        return Dropped("REFUND_NOT_NAMED")
    fuel = [item for item in ticket.items if item.pump]
    return _settled(register, ticket_id(register, end), fuel, goods, _tender_name(ticket))


def ticket_id(register: str, end: End) -> str:
    """Stable and unique: register, day and number, which starts again only after years."""
    return f"R{register}D{end.day}T{end.transaction}"


def _lines_add_up(ticket: Ticket, options: VerifoneJournalOptions) -> bool:
    assert ticket.total_fen is not None
    lines_fen = sum(item.amount_fen for item in ticket.items)
    unexplained_fen = ticket.total_fen - lines_fen - ticket.tax_fen
    if options.total == "items_and_tax":
        limit_fen = abs(lines_fen) * options.tax_limit_bp // 10_000 + 1
        return 0 <= (unexplained_fen if ticket.total_fen >= 0 else -unexplained_fen) <= limit_fen
    return options.total == "unchecked" or unexplained_fen == 0


def _tenders_add_up(ticket: Ticket, options: VerifoneJournalOptions) -> bool:
    """Only who pays cash gives more than is left to pay, and the journal does not always show the change."""
    assert ticket.total_fen is not None
    given_fen = sum(tender.amount_fen for tender in ticket.tenders)
    cash_fen = sum(tender.amount_fen for tender in ticket.tenders if "CASH" in tender.name)
    too_much_fen = given_fen - ticket.total_fen
    shows_change = bool(ticket.change_fen) or options.dialect == "ruby"
    return too_much_fen == ticket.change_fen or (not shows_change and 0 < too_much_fen < cash_fen)


def _tender_name(ticket: Ticket) -> str:
    return "+".join(dict.fromkeys(tender.name for tender in ticket.tenders))[:64]


def _settled(
    register: str, name: str, fuel: list[Item], goods: tuple[BasketLine, ...], tender: str
) -> Settled | Dropped:
    paid = [item for item in fuel if item.amount_fen > 0]
    sales = sales_of(register, name, [(item.pump, item.amount_fen) for item in paid], goods, tender)
    rests = tuple(Rest(item.pump, -item.amount_fen) for item in fuel if item.amount_fen < 0)
    prepaid = {item.pump: part_id(name, place) for place, item in enumerate(paid) if item.is_prepaid}
    return Settled(sales, prepaid, rests) if sales or rests else Dropped("NOT_A_SALE")
