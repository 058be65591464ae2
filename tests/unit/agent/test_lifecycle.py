"""Unit: does a rule bundle change its state when it should, and does each sale get the rules of its time?"""

from contextlib import closing

import pytest

from agent.handlers import lifecycle
from agent.points.award import award
from agent.store import integrity
from agent.store.bundles import GuardFigures, ShadowFigures
from agent.store.reading import connect
from tests.unit.agent.made_rules import OURS, rules, sell, states, tell, told, word
from tests.unit.agent.stations import adopt
from tests.world import BASIC, DAY_MS, World

JULY_MS = 1_782_835_200_000
"""2026-07-01 00:00 in Shanghai: from here on the demo bundle, version 42, is in force."""


def advance(world: World, seconds: int = 0) -> None:
    world.wait(seconds)
    world.run(lambda tx, at: lifecycle.advance(tx, world.site, at))


def in_force_from(world: World) -> dict[int, int | None]:
    return dict(world.rows("SELECT version, in_force_from_ms FROM bundle ORDER BY version"))


def shadow(world: World, version: int = 43) -> ShadowFigures:
    return world.run(lambda tx, at: tx.bundles.shadow(version))


class TestFirst:
    """A station without rules."""

    @pytest.fixture
    def world(self, world: World) -> World:
        bare = World(world.path.with_name("bare.db"))
        bare.adopt_members(1)
        return bare

    def test_it_is_active_at_once(self, world: World) -> None:
        assert adopt(world, rules(1)).reason == ""
        assert states(world) == {1: ("ACTIVE", "")}
        assert in_force_from(world) == {1: JULY_MS}

    def test_also_if_it_is_staged_because_there_is_nothing_else(self, world: World) -> None:
        adopt(world, rules(1, rollout={"percent": 0}))
        assert states(world) == {1: ("ACTIVE", "")}
        assert in_force_from(world) == {1: JULY_MS}

    def test_before_its_day_it_waits_verified_and_judges_nothing(self, world: World) -> None:
        begins_ms = world.at_ms + 60_000
        adopt(world, rules(1, effective_ms=begins_ms))
        assert world.pay("R-1", world.fuel(10_000).amount_fen, credential=BASIC).reason == "NO_RULES"
        advance(world, 59)
        assert states(world) == {1: ("VERIFIED", "")}
        advance(world, 1)
        assert states(world) == {1: ("ACTIVE", "")}
        assert in_force_from(world) == {1: begins_ms}
        assert world.count("award") == 0
        assert sell(world, "R-2") == 2_000

    def test_a_sale_between_its_hour_and_the_next_look_gets_its_points_then(self, world: World) -> None:
        adopt(world, rules(1, effective_ms=world.at_ms + 60_000))
        world.wait(70)
        world.pay("R-1", world.fuel(10_000).amount_fen, credential=BASIC)
        advance(world, 20)
        assert world.rows("SELECT minor, version FROM award") == [(2_000, 1)]


class TestDirect:
    """Without [rollout]: every station, when its hour has come."""

    def test_one_whose_hour_has_come_judges_from_then_on_however_late_it_arrives(self, world: World) -> None:
        before = world.fuel(10_000)
        world.wait(60)
        begins_ms = world.at_ms
        after = world.fuel(11_000)
        world.wait(60)
        adopt(world, rules(43, points_minor=300, effective_ms=begins_ms))
        assert states(world) == {42: ("RETIRED", ""), 43: ("ACTIVE", "")}
        assert in_force_from(world) == {42: JULY_MS, 43: begins_ms}
        assert world.pay("R-1", before.amount_fen, credential=BASIC).points_minor == 2_000
        assert world.pay("R-2", after.amount_fen, credential=BASIC).points_minor == 3_300

    def test_one_for_later_is_judged_in_shadow_until_then(self, world: World) -> None:
        begins_ms = world.at_ms + 60_000
        adopt(world, rules(43, points_minor=300, effective_ms=begins_ms))
        assert states(world) == {42: ("ACTIVE", ""), 43: ("SHADOW", "")}
        assert sell(world, "R-1") == 2_000
        assert shadow(world) == ShadowFigures(1, 1, 0, 2_000, 3_000)
        advance(world, 59)
        assert states(world)[43] == ("SHADOW", "")
        advance(world, 31)
        assert states(world) == {42: ("RETIRED", ""), 43: ("ACTIVE", "")}
        assert in_force_from(world)[43] == begins_ms

    def test_a_newer_one_goes_first_also_where_it_reaches_further_back(self, world: World) -> None:
        adopt(world, rules(43, points_minor=300, effective_ms=JULY_MS - DAY_MS))
        assert sell(world, "R-1") == 3_000


class TestStaged:
    """With [rollout]: some stations first, after some sales in shadow."""

    def test_it_needs_its_sales_its_bucket_and_its_hour(self, world: World) -> None:
        adopt(
            world,
            rules(43, points_minor=300, effective_ms=world.at_ms + 600_000, rollout={"shadow_sales": 2}),
        )
        tell(world, word(world, 1, 43, OURS))
        sell(world, "R-1")
        advance(world, 700)
        assert states(world)[43] == ("SHADOW", "")
        tell(world, word(world, 2, 43, OURS + 1))
        assert states(world)[43] == ("SHADOW", ""), "one sale is missing"
        sell(world, "R-2")
        advance(world)
        assert states(world)[43] == ("ACTIVE", "")

    @pytest.mark.parametrize("missing", ["sales", "bucket", "hour"])
    def test_two_of_the_three_are_not_enough(self, world: World, missing: str) -> None:
        begins_ms = world.at_ms + (600_000 if missing == "hour" else 0)
        needed = 3 if missing == "sales" else 2
        percent = OURS if missing == "bucket" else 100
        limits = {"shadow_sales": needed, "percent": percent}
        adopt(world, rules(43, effective_ms=begins_ms, rollout=limits))
        sell(world, "R-1")
        sell(world, "R-2")
        advance(world, 599)
        assert states(world)[43][0] == "SHADOW"

    def test_it_is_in_force_from_its_activation_not_before(self, world: World) -> None:
        """What was fuelled before is judged as it would have been."""
        adopt(world, rules(43, points_minor=300, rollout={"shadow_sales": 0}))
        before = world.fuel(10_000)
        world.wait(60)
        tell(world, word(world, 1, 43, 100))
        assert in_force_from(world)[43] == world.at_ms
        assert world.pay("R-1", before.amount_fen, credential=BASIC).points_minor == 2_000
        assert sell(world, "R-2") == 3_000

    def test_the_difference_is_reported_before_activation_and_with_it(self, world: World) -> None:
        adopt(world, rules(43, points_minor=300, rollout={"shadow_sales": 2}))
        sell(world, "R-1")
        advance(world)
        assert told(world)[-1].state == "SHADOW"
        sell(world, "R-2")
        advance(world)
        advance(world)
        judged = [item for item in told(world) if item.reason == "JUDGED"]
        assert len(judged) == 1
        sell(world, "R-3")
        tell(world, word(world, 1, 43, 100))
        active = told(world)[-1]
        figures = [
            (i.state, i.sales, i.more, i.fewer, i.active_minor, i.candidate_minor) for i in (*judged, active)
        ]
        assert figures == [("SHADOW", 2, 2, 0, 4_000, 6_000), ("ACTIVE", 3, 3, 0, 6_000, 9_000)]

    def test_fewer_points_are_counted_as_fewer_and_the_same_as_neither(self, world: World) -> None:
        adopt(world, rules(43, points_minor=100, rollout={}))
        sell(world, "R-1")
        adopt(world, rules(44, points_minor=200, rollout={}))
        sell(world, "R-2")
        assert shadow(world, 43) == ShadowFigures(1, 0, 1, 2_000, 1_000)
        assert shadow(world, 44) == ShadowFigures(1, 0, 0, 2_000, 2_000)

    def test_a_newer_candidate_takes_the_place_of_one_that_waits(self, world: World) -> None:
        adopt(world, rules(43, rollout={}))
        adopt(world, rules(44, rollout={}))
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "SUPERSEDED"), 44: ("SHADOW", "")}
        assert adopt(world, rules(43, rollout={})).reason == "BUNDLE_REJECTED"

    def test_a_late_sale_of_retired_rules_is_not_compared(self, world: World) -> None:
        late = world.fuel(10_000)
        world.wait(60)
        adopt(world, rules(43, points_minor=300, effective_ms=world.at_ms))
        adopt(world, rules(44, points_minor=400, rollout={}))
        world.pay("R-1", late.amount_fen, credential=BASIC)
        assert shadow(world, 44).sales == 0

    def test_a_candidate_that_cannot_judge_is_rejected_and_the_sale_stands(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        adopt(world, rules(43, rollout={"percent": 100}))

        def breaks_at_43(inputs, bundle):  # type: ignore[no-untyped-def]
            assert bundle.version != 43
            return award(inputs, bundle)

        monkeypatch.setattr(lifecycle, "award", breaks_at_43)
        assert sell(world, "R-1") == 2_000
        advance(world)
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "SHADOW_FAILED")}

    def test_without_a_candidate_only_the_guardrails_count(self, world: World) -> None:
        sell(world, "R-1")
        assert world.run(lambda tx, at: tx.bundles.guard(42)) == GuardFigures(sales=1)
        assert world.count("shadow") == 0


class TestEventTime:
    def test_i22_late_sales_across_three_versions_one_of_them_rejected(self, world: World) -> None:
        """Fuelled under three, all paid at the end: what the rejected one saw, the last good one judges."""
        fuelled = [world.fuel(10_000)]
        for version, points_minor in ((43, 300), (44, 400)):
            world.wait(300)
            adopt(world, rules(version, points_minor=points_minor, effective_ms=world.at_ms))
            fuelled.append(world.fuel(10_000 + 1_000 * len(fuelled)))
        paid_in_time = world.pay("R-9", fuelled.pop().amount_fen, credential=BASIC)
        assert paid_in_time.points_minor == 4_800
        fuelled.append(world.fuel(12_000))
        tell(world, word(world, 1, 44, withdrawn=True))
        assert states(world) == {42: ("RETIRED", ""), 43: ("ACTIVE", ""), 44: ("REJECTED", "WITHDRAWN")}
        answers = [world.pay(f"R-{n}", one.amount_fen, credential=BASIC) for n, one in enumerate(fuelled)]
        assert [answer.points_minor for answer in answers] == [2_000, 3_300, 3_600]
        versions = world.rows("SELECT version, minor FROM award ORDER BY stream_seq")
        assert versions == [(44, 4_800), (42, 2_000), (43, 3_300), (43, 3_600)]

    def test_all_bytes_are_kept(self, world: World) -> None:
        payloads = [rules(43), rules(44, rollout={}), rules(45, rollout={})]
        for payload in payloads:
            adopt(world, payload)
        assert world.rows("SELECT body FROM bundle WHERE version > 42 ORDER BY version") == [
            (payload,) for payload in payloads
        ]


class TestTold:
    def test_every_move_is_told_once_and_the_last_word_is_what_stands_here(self, world: World) -> None:
        adopt(world, rules(43, rollout={"shadow_sales": 1}))
        sell(world, "R-1")
        advance(world)
        tell(world, word(world, 1, 43, 100))
        tell(world, word(world, 2, 43, withdrawn=True))
        adopt(world, rules(44, effective_ms=world.at_ms + DAY_MS))
        moves = [(item.version, item.state, item.reason) for item in told(world)]
        assert moves == [
            (42, "VERIFIED", ""),
            (42, "ACTIVE", ""),
            (43, "VERIFIED", ""),
            (43, "SHADOW", ""),
            (43, "SHADOW", "JUDGED"),
            (42, "RETIRED", ""),
            (43, "ACTIVE", ""),
            (43, "REJECTED", "WITHDRAWN"),
            (42, "ACTIVE", ""),
            (44, "VERIFIED", ""),
            (44, "SHADOW", ""),
        ]
        last = {item.version: (item.state, item.reason) for item in told(world)}
        assert last == states(world)

    def test_what_stands_in_the_database_passes_its_check(self, world: World) -> None:
        adopt(world, rules(43, points_minor=300, rollout={"shadow_sales": 1}))
        sell(world, "R-1")
        tell(world, word(world, 1, 43, 100))
        sell(world, "R-2")
        late = world.fuel(13_000)
        tell(world, word(world, 2, 43, withdrawn=True))
        world.pay("R-3", late.amount_fen, credential=BASIC)
        sell(world, "R-4")
        with closing(connect(world.path)) as reader:
            assert integrity.verify(reader) == []
