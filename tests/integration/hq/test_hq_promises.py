"""Integration: does HQ never promise a point twice, on both databases, through every door at once?

The doors: loans to stations, authorisations, and what stations report of both.
"""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.messages import down
from sync import questions, topics
from sync.down import Down, open_down
from sync.hq.desk import Desk, Lent
from sync.hq.grants import HORIZON_MS, SKEW_MS, grant_id
from sync.hq.publisher import Issued, Publisher
from sync.hq.receiver import Receiver
from sync.hq.store import HqStore
from sync.keys import PublicKey, SigningKey
from sync.refusal import Refusal
from tests.integration.hq import points
from tests.unit.hq.stand import HQ_KEY, NOW_MS, Station

DOWN_KEY = SigningKey(b"D" * 32)
DAY_MS = 86_400_000


@dataclass
class World:
    """HQ and its stations, and a clock that is put forward by hand."""

    store: HqStore
    stations: dict[str, Station]
    now_ms: int = NOW_MS
    asked: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for station in self.stations.values():
            assert self.store.add_station(station.name, station.key.public.raw, NOW_MS)
        self.receiver = self.worker()
        self.desk = Desk(self.store, Publisher(self.store, [DOWN_KEY], self.clock), self.clock)

    def clock(self) -> int:
        return self.now_ms

    def worker(self) -> Receiver:
        return Receiver(self.store, points.judge, HQ_KEY.sign, lambda raw: PublicKey(raw).verify, self.clock)

    def report(self, station: str, *bodies: bytes, stream: str = "urgent") -> None:
        chain = self.stations[station]
        first = len(chain.bodies) + 1
        chain.write(*bodies)
        payload = chain.seal(first, len(chain.bodies), stream=stream)
        assert self.receiver.handle(topics.up(station, stream), payload)

    def authorise(
        self, station: str, redemption: str, member: str, minor: int, receiver: Receiver | None = None
    ) -> questions.AuthoriseReply:
        ask = questions.AuthoriseAsk(
            station=station,
            nonce=f"{next(self.asked):032x}",
            redemption=redemption,
            member=member,
            minor=minor,
            at_ms=self.now_ms,
        )
        payload = questions.sign_authorise_ask(ask, self.stations[station].key.sign)
        [reply] = (receiver or self.receiver).handle(
            topics.rpc(station, topics.REDEMPTION_AUTHORISE), payload
        )
        assert (reply.topic, reply.is_answer, reply.expiry_s) == (topics.down_rpc(station), True, 10)
        answer = questions.open_authorise_reply(reply.payload, [HQ_KEY.public.verify])
        assert isinstance(answer, questions.AuthoriseReply)
        assert (answer.nonce, answer.station, answer.redemption) == (ask.nonce, station, redemption)
        return answer

    def lookup(self, station: str, *, member: str = "", credential: str = "") -> questions.LookupReply:
        ask = questions.LookupAsk(
            station=station,
            nonce=f"{next(self.asked):032x}",
            member=member,
            credential=credential,
            at_ms=self.now_ms,
        )
        payload = questions.sign_lookup_ask(ask, self.stations[station].key.sign)
        [reply] = self.receiver.handle(topics.rpc(station, topics.MEMBER_LOOKUP), payload)
        answer = questions.open_lookup_reply(reply.payload, [HQ_KEY.public.verify])
        assert isinstance(answer, questions.LookupReply)
        assert answer.nonce == ask.nonce
        return answer

    def lend(self, member: str, station: str, minor: int, for_ms: int = DAY_MS) -> Lent | Refusal:
        return self.desk.lend(member, station, minor, self.now_ms + for_ms)

    def figures(self, member: str) -> tuple[int, int]:
        """(confirmed, promised) of a member."""
        with self.store.read() as tx:
            account = tx.members.account(member)
            assert account is not None
            standing = tx.rights.standing(account, self.now_ms)
            return standing.confirmed_minor, standing.promised_minor(self.now_ms)

    def items(self, station: str) -> list[Down]:
        """What was issued to a station, verified as it does it."""
        with self.store.read() as tx:
            documents = [document for _, document in tx.down.unheard(station)]
        opened = [open_down(document, [DOWN_KEY.public], 1) for document in documents]
        return [one for one in opened if isinstance(one, Down)]


def new_world(url: str) -> World:
    return World(HqStore(url), {name: Station(name, name[-1:].encode()) for name in ("cn-1", "cn-2", "cn-3")})


@pytest.fixture
def world(hq_url: str) -> Iterator[World]:
    made = new_world(hq_url)
    made.report("cn-1", points.award("first", "m1", 1_000))
    yield made
    made.store.close()


def test_a_loan_goes_to_its_station_and_binds_the_points(world: World) -> None:
    lent = world.lend("m1", "cn-2", 400)
    assert isinstance(lent, Lent)
    assert world.figures("m1") == (1_000, 400)
    [item] = world.items("cn-2")
    assert (item.kind, item.not_after_ms) == ("grant", NOW_MS + DAY_MS)
    grant = down.Grant.model_validate_json(item.body_json)
    assert (grant.grant, grant.epoch, grant.member, grant.minor) == (lent.loan.grant, 1, "m1", 400)
    assert grant.valid_until_ms == NOW_MS + DAY_MS
    refused = world.lend("m1", "cn-3", 601)
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.remedy) == ("GRANT_EXCEEDS", "lend at most 600, or recall a grant")
    assert world.items("cn-3") == []


def test_the_same_grant_again_is_its_next_epoch_and_both_bind(world: World) -> None:
    for minor in (400, 100):
        assert isinstance(world.lend("m1", "cn-2", minor), Lent)
    assert world.figures("m1") == (1_000, 500)
    grant = grant_id("m1", "cn-2")
    closing = points.statement(grant, 1, "m1", number=1, spent=0, closing=True)
    world.report("cn-2", closing)
    assert world.figures("m1") == (1_000, 100)


def test_only_the_station_itself_settles_its_loan(world: World) -> None:
    assert isinstance(world.lend("m1", "cn-2", 400), Lent)
    grant = grant_id("m1", "cn-2")
    world.report("cn-3", points.statement(grant, 1, "m1", number=9, spent=400, closing=True))
    assert world.figures("m1") == (1_000, 400)
    world.report("cn-2", points.captured("r1", "m1", 150))
    world.report("cn-2", points.statement(grant, 1, "m1", number=2, spent=150))
    assert world.figures("m1") == (850, 250)
    world.report("cn-2", points.statement(grant, 1, "m1", number=1, spent=0))
    assert world.figures("m1") == (850, 250), "an older statement says nothing new"


def test_a_recalled_loan_stays_promised_until_its_statement(world: World) -> None:
    assert isinstance(world.lend("m1", "cn-2", 400), Lent)
    issued = world.desk.recall("m1", "cn-2")
    assert isinstance(issued, list)
    recall = down.GrantRecall.model_validate_json(world.items("cn-2")[-1].body_json)
    assert (recall.grant, recall.epoch, world.figures("m1")) == (grant_id("m1", "cn-2"), 1, (1_000, 400))
    again = world.desk.recall("m1", "cn-2")
    assert isinstance(again, Refusal)
    assert again.reason == "NOTHING_LENT"
    assert world.authorise("cn-2", "r1", "m1", 601).code == "POINTS_LENT", "it may not use it any more"
    world.report("cn-2", points.statement(grant_id("m1", "cn-2"), 1, "m1", number=1, spent=0, closing=True))
    assert world.figures("m1") == (1_000, 0)


def test_a_loan_of_a_dark_station_comes_home_when_no_clock_can_spend_it(world: World) -> None:
    assert isinstance(world.lend("m1", "cn-2", 1_000), Lent)
    world.now_ms += DAY_MS + SKEW_MS
    assert isinstance(world.lend("m1", "cn-3", 1), Refusal)
    world.now_ms += 1
    assert isinstance(world.lend("m1", "cn-3", 1_000), Lent)


def test_an_authorisation_holds_until_it_is_heard_how_it_ended(world: World) -> None:
    allowed = world.authorise("cn-1", "r1", "m1", 700)
    assert (allowed.code, allowed.balance_minor, allowed.rights_minor) == ("", 1_000, 0)
    assert allowed.holds_until_ms == NOW_MS + HORIZON_MS
    assert world.authorise("cn-2", "r1", "m1", 301).code == "POINTS_LENT", "another station's own id"
    assert world.figures("m1") == (1_000, 700)
    world.report("cn-1", points.captured("r1", "m1", 500))
    assert world.figures("m1") == (500, 0)
    world.authorise("cn-1", "r2", "m1", 200)
    world.report("cn-1", points.released("r2", "m1"))
    assert world.figures("m1") == (500, 0)


def test_the_same_redemption_hears_the_same_answer_for_ever(world: World) -> None:
    first = world.authorise("cn-1", "r1", "m1", 700)
    declined = world.authorise("cn-1", "r2", "m1", 700)
    assert declined.code == "POINTS_LENT"
    world.report("cn-1", points.award("more", "m1", 5_000))
    world.now_ms += 60_000
    same = {"nonce": "0" * 32}
    for said, redemption in ((first, "r1"), (declined, "r2")):
        again = world.authorise("cn-1", redemption, "m1", 700)
        assert again.model_copy(update=same) == said.model_copy(update=same)
    assert world.figures("m1") == (6_000, 700)
    assert world.authorise("cn-1", "r1", "m1", 701).code == "REDEMPTION_TAKEN"
    assert world.authorise("cn-1", "r1", "m9", 700).code == "REDEMPTION_TAKEN"


def test_a_question_that_comes_after_the_end_opens_no_hold(world: World) -> None:
    world.report("cn-1", points.captured("r1", "m1", 700))
    assert world.authorise("cn-1", "r1", "m1", 300).code == "REDEMPTION_TAKEN"
    assert world.figures("m1") == (300, 0)


def test_a_station_may_use_what_is_lent_to_it_also_when_it_asks(world: World) -> None:
    assert isinstance(world.lend("m1", "cn-2", 900), Lent)
    assert world.authorise("cn-3", "r1", "m1", 500).code == "POINTS_LENT"
    allowed = world.authorise("cn-2", "r1", "m1", 500)
    assert (allowed.code, allowed.rights_minor, allowed.grant_epoch) == ("", 400, 1)
    assert allowed.grant == grant_id("m1", "cn-2")
    assert world.figures("m1") == (1_000, 1_000)
    assert world.authorise("cn-2", "r2", "m1", 501).code == "POINTS_LENT", "500 of the loan are left"
    world.report("cn-2", points.captured("r1", "m1", 500))
    world.report("cn-2", points.statement(allowed.grant, 1, "m1", number=1, spent=400, closing=True))
    assert world.figures("m1") == (500, 0)


def test_a_hold_that_nobody_settles_is_given_up_and_may_still_turn_out_spent(world: World) -> None:
    world.authorise("cn-1", "r1", "m1", 700)
    world.now_ms += HORIZON_MS
    assert world.authorise("cn-2", "r2", "m1", 400).code == "POINTS_LENT"
    world.now_ms += 1
    assert world.authorise("cn-2", "r3", "m1", 400).code == ""
    world.report("cn-1", points.captured("r1", "m1", 700))
    assert world.figures("m1") == (300, 400), "the late capture counts, and shows"
    assert isinstance(world.lend("m1", "cn-3", 1), Refusal)


def test_nobody_spends_who_is_frozen_and_the_stations_hear_of_it(world: World) -> None:
    assert isinstance(world.lend("m1", "cn-3", 10), Lent)
    issued = world.desk.freeze("m1", "stolen", "case-7")
    assert isinstance(issued, list)
    assert [one.station for one in issued] == ["cn-1", "cn-3"], "who saw the member, and who holds a grant"
    told = down.Freeze.model_validate_json(world.items("cn-1")[-1].body_json)
    assert (told.member, told.reason, told.case) == ("m1", "stolen", "case-7")
    assert world.authorise("cn-1", "r1", "m1", 1).code == "MEMBER_FROZEN"
    assert isinstance(world.lend("m1", "cn-2", 1), Refusal)
    again = world.desk.freeze("m1", "stolen")
    assert isinstance(again, Refusal)
    assert again.reason == "ALREADY_SO"
    assert isinstance(world.desk.unfreeze("m1", "found"), list)
    assert world.authorise("cn-1", "r2", "m1", 1).code == ""
    assert isinstance(world.desk.freeze("m1", "stolen"), list), "and again, under another id"


def test_a_tier_is_kept_and_told(world: World) -> None:
    issued = world.desk.set_tier("m1", "gold", "promoted", "2027-12-31")
    assert isinstance(issued, list)
    assert all(isinstance(one, Issued) and one.is_new for one in issued)
    told = down.SetTier.model_validate_json(world.items("cn-1")[-1].body_json)
    assert (told.tier, told.valid_until) == ("gold", "2027-12-31")
    assert world.lookup("cn-2", member="m1").tier == "gold"
    assert isinstance(world.desk.set_tier("m9", "gold", "promoted"), Refusal)


def test_a_lookup_says_what_a_till_needs(world: World) -> None:
    world.report("cn-2", points.award("late", "m1", 70, waits=70))
    found = world.lookup("cn-3", member="m1")
    assert (found.code, found.member, found.status) == ("", "m1", "ACTIVE")
    assert (found.balance_minor, found.pending_minor, found.as_of_ms) == (1_070, 70, NOW_MS)
    for nobody in (world.lookup("cn-3", member="m9"), world.lookup("cn-3", credential="k1:" + "A" * 22)):
        assert (nobody.code, nobody.member, nobody.status, nobody.balance_minor) == (
            "MEMBER_UNKNOWN",
            "",
            "",
            0,
        )
    with world.store.read() as tx:
        assert tx.asking.asked_about("m1") == 1


def test_a_station_that_asks_for_everybody_is_stopped_and_others_are_not(world: World) -> None:
    codes = [world.lookup("cn-1", member="m1").code for _ in range(61)]
    assert codes == [""] * 60 + ["RATE_LIMITED"]
    stopped = world.lookup("cn-1", member="m1")
    assert (stopped.status, stopped.balance_minor) == ("", 0)
    assert world.lookup("cn-2", member="m1").code == ""
    assert world.authorise("cn-1", "r1", "m1", 1).code == "", "its customers can still pay"
    world.now_ms += 1_000
    assert [world.lookup("cn-1", member="m1").code for _ in range(2)] == ["", "RATE_LIMITED"]
    assert world.receiver.counters()["LOOKUP_RATE_LIMITED"] == 3


def test_a_station_asks_under_its_own_name_only(world: World) -> None:
    ask = questions.AuthoriseAsk(
        station="cn-1", nonce="0" * 32, redemption="r1", member="m1", minor=5, at_ms=NOW_MS
    )
    here, there = world.stations["cn-1"].key.sign, world.stations["cn-2"].key.sign
    question = topics.rpc("cn-2", topics.REDEMPTION_AUTHORISE)
    assert world.receiver.handle(question, questions.sign_authorise_ask(ask, here)) == []
    own = topics.rpc("cn-1", topics.REDEMPTION_AUTHORISE)
    assert world.receiver.handle(own, questions.sign_authorise_ask(ask, there)) == []
    lookup = questions.LookupAsk(station="cn-1", nonce="0" * 32, member="m1", at_ms=NOW_MS)
    asked = questions.sign_lookup_ask(lookup, here)
    assert world.receiver.handle(own, asked) == [], "signed for another question"
    alarms = {(line.station, line.code) for line in world.store.alarms()}
    assert alarms == {("cn-2", "WRONG_TOPIC"), ("cn-1", "BAD_SIGNATURE"), ("cn-1", "MALFORMED")}
    assert world.figures("m1") == (1_000, 0)


def test_questions_that_race_share_the_points(world: World) -> None:
    """Twelve askers at once, three workers, 1,000 points, 150 each: six get them."""
    answers: list[str] = []
    failures: list[BaseException] = []
    together = threading.Barrier(12)

    def ask(n: int) -> None:
        try:
            receiver = world.worker()
            together.wait(20)
            answers.append(world.authorise(f"cn-{n % 3 + 1}", f"r{n}", "m1", 150, receiver).code)
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sorted(answers) == [""] * 6 + ["POINTS_LENT"] * 6
    assert world.figures("m1") == (1_000, 900)


def test_one_redemption_asked_many_times_at_once_is_held_once(world: World) -> None:
    codes: list[str] = []
    together = threading.Barrier(6)

    def ask() -> None:
        receiver = world.worker()
        together.wait(20)
        codes.append(world.authorise("cn-1", "r1", "m1", 900, receiver).code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert codes == [""] * 6
    assert world.figures("m1") == (1_000, 900)


def test_lending_deciding_and_booking_at_once_never_wait_in_a_circle(world: World) -> None:
    """Every door takes stations before members; a circle would end in an error of the database."""
    failures: list[BaseException] = []
    rng = random.Random(3)
    script = [(rng.choice(("cn-1", "cn-2", "cn-3")), rng.randint(0, 3)) for _ in range(60)]
    together = threading.Barrier(4)

    def book(name: str) -> None:
        together.wait(20)
        for n in range(20):
            world.report(name, points.award(f"{name}-{n}", "m1", 10), points.captured(f"{name}-{n}", "m2", 1))

    def decide() -> None:
        together.wait(20)
        for station, what in script:
            match what:
                case 0:
                    world.lend("m1", station, 10)
                case 1:
                    world.desk.recall("m1", station)
                case 2:
                    world.desk.set_tier("m1", "gold", "tried")
                case _:
                    world.authorise(station, f"r{rng.random()}", "m1", 5)

    def kept(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)
            raise

    works: list[Callable[[], None]] = [decide]
    works += [lambda name=name: book(name) for name in world.stations]  # type: ignore[misc]
    threads = [threading.Thread(target=kept, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    with world.store.read() as tx:
        assert tx.members.imbalances() == []


# ---- whatever happens in whatever order -------------------------------------------------------------


@pytest.fixture(scope="module")
def one_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One database for all examples; each example has members of its own."""
    folder: Path = tmp_path_factory.mktemp("promises")
    made = new_world(f"sqlite:///{folder}/hq.db")
    yield made
    made.store.close()


MEMBERS = count(1)
MINOR = st.integers(1, 600)
STATIONS = st.sampled_from(["cn-1", "cn-2", "cn-3"])
KINDS = ("award", "refund", "lend", "lend", "spend", "state", "recall", "authorise", "settle", "wait")
STEPS = st.tuples(st.sampled_from(KINDS), STATIONS, MINOR, st.booleans())


@dataclass
class Lending:
    """A loan as its honest station keeps it."""

    lent_minor: int
    left_minor: int
    until_ms: int
    statements: int = 0


class Story:
    """What happens to one member, and what the stations themselves know of it."""

    def __init__(self, world: World, member: str) -> None:
        self.world, self.member = world, member
        self.loans: dict[tuple[str, int], Lending] = {}
        self.held: dict[tuple[str, str], int] = {}
        world.report("cn-1", points.award(f"{member}-0", member, 1_000))

    def step(self, name: str, what: str, station: str, minor: int, flag: bool) -> bool:
        """One step; whether HQ promised something."""
        world, member = self.world, self.member
        match what:
            case "award":
                world.report(station, points.award(name, member, minor, waits=minor if flag else 0))
            case "refund":
                world.report(station, points.refund(name, member, minor))
            case "lend":
                return self.lend(station, minor)
            case "spend":
                self.spend(station, name, minor)
            case "state":
                self.state(station, closing=flag)
            case "recall":
                world.desk.recall(member, station)
            case "authorise":
                return self.authorise(station, name, minor)
            case "settle" if self.held:
                (where, redemption), held_minor = next(iter(self.held.items()))
                del self.held[(where, redemption)]
                captured = points.captured(redemption, member, held_minor)
                world.report(where, captured if flag else points.released(redemption, member))
            case "wait" if flag:
                world.now_ms += 3_600_000 + SKEW_MS + 1
        return False

    def lend(self, station: str, minor: int) -> bool:
        lent = self.world.lend(self.member, station, minor, for_ms=3_600_000)
        if isinstance(lent, Refusal):
            return False
        self.loans[(station, lent.loan.epoch)] = Lending(minor, minor, self.world.now_ms + 3_600_000)
        return True

    def spend(self, station: str, name: str, minor: int) -> None:
        for (where, _), loan in self.loans.items():
            if where == station and minor <= loan.left_minor and self.world.now_ms < loan.until_ms:
                loan.left_minor -= minor
                self.world.report(station, points.captured(name, self.member, minor))
                return

    def state(self, station: str, *, closing: bool) -> None:
        for (where, epoch), loan in list(self.loans.items()):
            if where == station:
                loan.statements += 1
                spent = loan.lent_minor - loan.left_minor
                said = {"number": loan.statements, "spent": spent, "closing": closing}
                grant = grant_id(self.member, station)
                self.world.report(station, points.statement(grant, epoch, self.member, **said))
                if closing:
                    del self.loans[(where, epoch)]
                return

    def authorise(self, station: str, name: str, minor: int) -> bool:
        reply = self.world.authorise(station, name, self.member, minor)
        if reply.code:
            return False
        if reply.rights_minor == 0:
            self.held[(station, name)] = minor
            return True
        loan = self.loans[(station, reply.grant_epoch)]
        if reply.rights_minor <= loan.left_minor:
            loan.left_minor -= reply.rights_minor
            self.world.report(station, points.captured(name, self.member, minor))
        else:
            self.world.report(station, points.released(name, self.member))
        return False

    @property
    def spendable_minor(self) -> int:
        """What the stations may still spend without asking again."""
        now_ms = self.world.now_ms
        return sum(loan.left_minor for loan in self.loans.values() if now_ms < loan.until_ms)


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(STEPS, min_size=5, max_size=30))
def test_whenever_hq_promises_what_is_confirmed_covers_every_promise(
    one_world: World, steps: list[tuple[str, str, int, bool]]
) -> None:
    """I15; and HQ never believes that less is promised than the stations could spend."""
    story = Story(one_world, f"p{next(MEMBERS)}")
    for n, step in enumerate(steps, 1):
        promised = story.step(f"{story.member}-{n}", *step)
        confirmed_minor, promised_minor = one_world.figures(story.member)
        assert promised_minor >= story.spendable_minor + sum(story.held.values())
        if promised:
            assert confirmed_minor >= promised_minor
    with one_world.store.read() as tx:
        assert [one for one in tx.members.imbalances() if one.member == story.member] == []
