"""A payment finds its fuelling, and the fuelling its member: never by a guess (decisions.md 3)."""

from dataclasses import replace

from agent.clock import Instant
from agent.handlers.credentials import why_refused
from agent.handlers.draws import bind_draw, draw_reason
from agent.handlers.settle import claim, count_oddity, settle
from agent.handlers.site import Site
from agent.handlers.told import Told, refused
from agent.handlers.wording import said
from agent.messages import bodies, ids
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.outbox import LEDGER
from agent.store.sales import Binding, PosSale
from drivers.events import Answer, Candidate, CandidateChosen, Notice, Outcome, SalePaid

MATCHES_SHOWN = 8
"""More fuellings than this on one slip of choices help nobody."""


def sale_paid(event: SalePaid, tx: Transaction, site: Site, at: Instant) -> Told:
    """The POS has the money: bind the one fuelling that fits, or say that several or none do."""
    credential = site.credential_key.hash(event.credential) if event.credential else ""
    if event.credential and credential is None:
        return refused(site, why_refused(event.credential))
    if event.point is not None and event.point not in site.points:
        return refused(site, "UNKNOWN_POINT", point=event.point)
    sale = _sale(event, credential or "", at)
    if known := tx.sales.get(event.register, event.pos_sale_id):
        same = known.same_sale(sale)
        return Told(_where_it_stands(known, tx, site, at)) if same else refused(site, "POS_SALE_CONFLICT")
    if sale.total_fen <= 0:
        return refused(site, "EMPTY_SALE")
    tx.sales.add(sale)
    if event.point is None or event.fuel_amount_fen == 0:
        return Told(_sell_basket(sale, tx, site, at))
    return Told(_find_fuelling(sale, tx, site, at))


def candidate_chosen(event: CandidateChosen, tx: Transaction, site: Site, at: Instant) -> Told:
    """The cashier says which of the fuellings it was."""
    sale = tx.sales.get(event.register, event.pos_sale_id)
    if sale is None:
        return refused(site, "SALE_UNKNOWN")
    chosen = ids.from_text(event.fact_id)
    if sale.state == "BOUND":
        same = sale.fact_id == chosen
        return Told(_where_it_stands(sale, tx, site, at)) if same else refused(site, "SALE_NOT_WAITING")
    if sale.state == "UNBOUND":
        return refused(site, "SALE_NOT_WAITING")
    for fact in _matches(sale, tx, site):
        if fact.fact_id == chosen:
            return Told(_bind(sale, fact, tx, site, at))
    return refused(site, "NOT_A_CANDIDATE")


def bind_waiting(fact: Fact, tx: Transaction, site: Site, at: Instant) -> tuple[Notice, ...]:
    """A new fuelling: if exactly one waiting sale of its point fits, bind it and say so."""
    since_ms = at.wall_ms - site.limits.fuelling_max_age_ms
    waiting = [sale for sale in tx.sales.waiting_at(fact.point, since_ms) if _fits(sale, fact, site)]
    if len(waiting) != 1:
        for sale in waiting:
            tx.sales.move_on(sale, "AMBIGUOUS")
        return ()
    sale = waiting[0]
    if len(_matches(sale, tx, site)) != 1:
        tx.sales.move_on(sale, "AMBIGUOUS")
        return ()
    return _notice(sale, _bind(sale, fact, tx, site, at))


def bind_after_refund(sale: PosSale, tx: Transaction, site: Site, at: Instant) -> tuple[Notice, ...]:
    """Money of a waiting sale went back: the fuelling of what was kept may be here already."""
    matches = _matches(sale, tx, site)
    if len(matches) == 1:
        return bind_waiting(matches[0], tx, site, at)
    if matches:
        tx.sales.move_on(sale, "AMBIGUOUS")
    return ()


def bind_without_pos(fact: Fact, tx: Transaction, site: Site, at: Instant) -> Answer:
    """A point that awards at the end of the fuelling: the member is who was there."""
    return _settle_for(fact, None, tx, site, at)


def let_lapse(tx: Transaction, site: Site, at: Instant) -> int:
    """Sales that waited long enough stay without a fuelling; their shop goods become a fact of their own."""
    lapsed = tx.sales.lapsed(at.wall_ms - site.limits.fuelling_max_age_ms)
    for sale in lapsed:
        if sale.refunded_fen < sale.fuel_amount_fen:
            tx.alarms.count("SALE_WITHOUT_FUELLING", f"point {sale.point}", at.wall_ms, sale.pos_sale_id)
        if sale.lines:
            _sell_basket(sale, tx, site, at)
        else:
            tx.sales.move_on(sale, "UNBOUND")
    return len(lapsed)


def _sale(event: SalePaid, credential: str, at: Instant) -> PosSale:
    return PosSale(
        register=event.register,
        pos_sale_id=event.pos_sale_id,
        point=event.point or "",
        fuel_amount_fen=event.fuel_amount_fen,
        tender=event.tender,
        lines=tuple((line.product, line.quantity_milli, line.amount_fen) for line in event.lines),
        credential=credential,
        state="CANDIDATE",
        fact_id=None,
        paid_at_ms=at.wall_ms,
    )


def _find_fuelling(sale: PosSale, tx: Transaction, site: Site, at: Instant) -> Answer:
    matches = _matches(sale, tx, site)
    if len(matches) == 1:
        return _bind(sale, matches[0], tx, site, at)
    if matches:
        tx.sales.move_on(sale, "AMBIGUOUS")
        return _choice(matches, site, at)
    return _waiting(site)


def _matches(sale: PosSale, tx: Transaction, site: Site) -> list[Fact]:
    since_ms = sale.paid_at_ms - site.limits.fuelling_max_age_ms
    return [fact for fact in tx.facts.unbound_at(sale.point, since_ms) if _fits(sale, fact, site)]


def _fits(sale: PosSale, fact: Fact, site: Site) -> bool:
    """The amount agrees, and it ended not too long before the payment, whenever it was reported."""
    recent = fact.event_time_ms >= sale.paid_at_ms - site.limits.fuelling_max_age_ms
    return recent and sale.fits(fact.amount_fen, site.limits.amount_tolerance_fen)


def _bind(sale: PosSale, fact: Fact, tx: Transaction, site: Site, at: Instant) -> Answer:
    bound = tx.sales.move_on(sale, "BOUND", fact_id=fact.fact_id)
    if not fact.credential and not sale.credential and not draw_reason(sale, site):
        # who showed a card after hanging up and before paying, and has not started to fuel again
        alive_since_ms = at.wall_ms - site.limits.presentation_ms
        if not tx.presentations.of_fact(fact.fact_id):
            tx.presentations.use_unlifted(fact.point, fact.fact_id, alive_since_ms)
    return _settle_for(fact, bound, tx, site, at)


def _settle_for(fact: Fact, sale: PosSale | None, tx: Transaction, site: Site, at: Instant) -> Answer:
    if sale is not None and (reason := draw_reason(sale, site)):
        return bind_draw(reason, fact, sale, tx, site, at)
    binding = _whose(fact, sale, tx, at)
    tx.sales.bind(binding)
    if binding.reason == "TWO_MEMBERS":
        count_oddity(binding.reason, fact, tx, at)
    if binding.credential:
        tx.presentations.put_away(fact.point, binding.credential, fact.fact_id)
    if binding.reason == "MEMBER_UNKNOWN":
        return claim(binding, fact, sale, tx, site, at)
    return settle(binding, fact, sale, tx, site, at)


def _whose(fact: Fact, sale: PosSale | None, tx: Transaction, at: Instant) -> Binding:
    """The credential in the record, else in the payment, else the presentation at the point."""
    unbound = Binding(
        fact_id=fact.fact_id,
        register=sale.register if sale else "",
        pos_sale_id=sale.pos_sale_id if sale else "",
        member="",
        credential="",
        reason="NO_MEMBER",
        bound_at_ms=at.wall_ms,
    )
    credential = fact.credential or (sale.credential if sale else "")
    shown = [credential] if credential else tx.presentations.of_fact(fact.fact_id)
    revoked = [one for one in shown if tx.revocations.is_revoked(one, fact.event_time_ms)]
    shown = [one for one in shown if one not in revoked]
    whose = {one: tx.members.with_credential(one) for one in shown}
    members = {known.member for known in whose.values() if known}
    unknown = [one for one, known in whose.items() if known is None]
    if not shown:
        return replace(unbound, credential=revoked[0], reason="CREDENTIAL_REVOKED") if revoked else unbound
    if len(members) + len(unknown) > 1:
        return replace(unbound, reason="TWO_MEMBERS")
    if unknown:
        return replace(unbound, credential=unknown[0], reason="MEMBER_UNKNOWN")
    return replace(unbound, member=members.pop(), credential=shown[0], reason="")


def _sell_basket(sale: PosSale, tx: Transaction, site: Site, at: Instant) -> Answer:
    """A sale without fuel is a fact of its own."""
    basket_id = ids.basket_id(site.station, sale.register, sale.pos_sale_id)
    shop_only = replace(sale, fuel_amount_fen=0)
    fact = Fact(
        fact_id=basket_id,
        kind="basket",
        point="",
        device_key=sale.register,
        nozzle="",
        product="",
        device_epoch=1,
        sequence_no=None,
        volume_ml=0,
        amount_fen=shop_only.total_fen,
        unit_price_milli=0,
        totalizer_after_ml=None,
        missed_ml=0,
        evidence="recorded",
        event_time_ms=sale.paid_at_ms,
        time_quality="seen",
        clock_quality=at.quality,
        device_time="",
        raw="",
        flags="",
        credential=sale.credential,
        booked_at_ms=at.wall_ms,
        stream_seq=tx.outbox.next_seq(LEDGER),
    )
    tx.facts.add(fact)
    item = bodies.Basket(
        kind="basket",
        id=ids.text(basket_id),
        till=sale.register,
        pos_sale_id=sale.pos_sale_id,
        tender=sale.tender,
        lines=sale.lines,
        event_ms=fact.event_time_ms,
        clock=fact.clock_quality,
        credential=sale.credential,
    )
    tx.outbox.put(LEDGER, "basket", item.encoded(), at.wall_ms)
    tx.sales.move_on(sale, "BOUND", fact_id=basket_id)
    return _settle_for(fact, shop_only, tx, site, at)


def _where_it_stands(sale: PosSale, tx: Transaction, site: Site, at: Instant) -> Answer:
    """The same sale heard again: what became of it, as of now."""
    if sale.state == "BOUND":
        assert sale.fact_id is not None
        fact, binding = tx.facts.get(sale.fact_id), tx.sales.binding(sale.fact_id)
        assert fact is not None
        assert binding is not None
        answer = settle(binding, fact, sale, tx, site, at)
        return replace(answer, outcome=Outcome.REPEATED) if answer.outcome is Outcome.DONE else answer
    if sale.state == "UNBOUND":
        return _waiting(site)
    matches = _matches(sale, tx, site)
    return _choice(matches, site, at) if matches else _waiting(site)


def _choice(matches: list[Fact], site: Site, at: Instant) -> Answer:
    candidates = tuple(
        Candidate(
            fact_id=ids.text(fact.fact_id),
            nozzle=fact.nozzle,
            product=fact.product,
            volume_ml=fact.volume_ml,
            amount_fen=fact.amount_fen,
            ended_ago_s=max(0, at.wall_ms - fact.event_time_ms) // 1000,
        )
        for fact in matches[-MATCHES_SHOWN:]
    )
    return Answer(
        Outcome.AMBIGUOUS,
        durable=True,
        reason="SEVERAL_FUELLINGS",
        candidates=candidates,
        text=said(site, "CHOOSE"),
    )


def _waiting(site: Site) -> Answer:
    return Answer(Outcome.WAITING, durable=True, reason="NO_FUELLING_YET", text=said(site, "WAITING"))


def _notice(sale: PosSale, answer: Answer) -> tuple[Notice, ...]:
    return (
        Notice(
            register=sale.register,
            pos_sale_id=sale.pos_sale_id,
            point=sale.point,
            points_minor=answer.points_minor or 0,
            balance_minor=answer.balance_minor or 0,
            balance_as_of_ms=answer.balance_as_of_ms or 0,
            provisional=answer.provisional,
            text=answer.text,
            slip=answer.slip,
        ),
    )
