"""Stands in for the station's till: says yes to most of what is reported, and sometimes "not now"."""

import random
from dataclasses import dataclass, field, replace

from drivers.conformance.truths import Identity, Stood, as_stood, identity_of
from drivers.events import (
    Answer,
    Candidate,
    DriverEvent,
    Fuelling,
    Outcome,
    PosRequest,
    TankDelivery,
    TankRead,
)


@dataclass
class Till:
    """Keeps what it said yes to. `told_session` are the deliveries of which the session that lives now knows
    that they are durable; `given` are all answers to a request, in order."""

    rng: random.Random
    unavailable_bp: int = 2_000
    durable: dict[Identity, Fuelling] = field(default_factory=dict)
    given: dict[PosRequest, list[Answer]] = field(default_factory=dict)
    deliveries: dict[tuple[str, str, str], TankDelivery] = field(default_factory=dict)
    told_session: set[tuple[str, str, str]] = field(default_factory=set)
    twice: set[TankDelivery] = field(default_factory=set)
    read: set[Stood] = field(default_factory=set)
    newest: dict[str, Stood] = field(default_factory=dict)
    reported_count: int = 0
    repeated_count: int = 0
    unavailable_count: int = 0

    def answer(self, event: DriverEvent) -> Answer:
        if isinstance(event, Fuelling):
            return self._book(event)
        if isinstance(event, PosRequest):
            return self._serve(event)
        if isinstance(event, TankDelivery):
            return self._book_delivery(event)
        if isinstance(event, TankRead):
            return self._note(event)
        return Answer(Outcome.DONE, durable=False)

    def _book(self, fuelling: Fuelling) -> Answer:
        self.reported_count += 1
        if identity_of(fuelling) in self.durable:
            self.repeated_count += 1
            return Answer(Outcome.REPEATED, durable=True)
        if self._not_now():
            return Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
        self.durable[identity_of(fuelling)] = fuelling
        return Answer(Outcome.DONE, durable=True)

    def _book_delivery(self, delivery: TankDelivery) -> Answer:
        self.reported_count += 1
        identity = (delivery.address, delivery.tank, delivery.raw)
        if identity in self.told_session:
            self.twice.add(delivery)
        if identity not in self.deliveries and self._not_now():
            return Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
        self.told_session.add(identity)
        if identity in self.deliveries:
            self.repeated_count += 1
            return Answer(Outcome.REPEATED, durable=True)
        self.deliveries[identity] = delivery
        return Answer(Outcome.DONE, durable=True)

    def _note(self, read: TankRead) -> Answer:
        stood = as_stood(read)
        self.read.add(stood)
        if self._not_now():
            return Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
        self.newest[read.tank] = stood
        return Answer(Outcome.DONE, durable=True)

    def _serve(self, request: PosRequest) -> Answer:
        self.reported_count += 1
        given = self.given.setdefault(request, [])
        kept = [answer for answer in given if answer.durable]
        if kept:
            self.repeated_count += 1
            answer = replace(kept[0], outcome=Outcome.REPEATED)
        elif self._not_now():
            answer = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL", text="请稍后再试")
        else:
            answer = self._draw_answer()
        given.append(answer)
        return answer

    def _not_now(self) -> bool:
        refused = self.rng.randrange(10_000) < self.unavailable_bp
        self.unavailable_count += refused
        return refused

    def _draw_answer(self) -> Answer:
        points_minor, serial = self.rng.randrange(1, 99_999), self.rng.randrange(10**9)
        candidates = (
            Candidate(f"fact-{serial}", "02", "92号汽油", 30_120, 23_405, 75),
            Candidate(f"fact-{serial + 1}", "02", "92号汽油", 12_000, 23_405, 12),
        )
        return self.rng.choice(
            (
                Answer(
                    Outcome.DONE,
                    durable=True,
                    fact_id=f"fact-{serial}",
                    points_minor=points_minor,
                    balance_minor=points_minor + 500,
                    balance_as_of_ms=1_700_000_000_000,
                    provisional=True,
                    text="本次积分已入账",
                ),
                Answer(Outcome.AMBIGUOUS, durable=True, reason="SEVERAL_FUELLINGS", candidates=candidates),
                Answer(Outcome.WAITING, durable=True, reason="NO_FUELLING_YET", text=f"稍后 {serial}"),
                Answer(Outcome.REFUSED, durable=True, reason="ALREADY_AWARDED", text=f"不可重复 {serial}"),
            )
        )

    def durable_requests(self) -> set[PosRequest]:
        """The requests that were answered for good at least once."""
        return {request for request, answers in self.given.items() if any(each.durable for each in answers)}
