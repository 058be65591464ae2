"""Unit: does each guardrail put the last good bundle back when it is broken, and not one step sooner?"""

import pytest

from agent.handlers import guardrails, lifecycle
from agent.handlers.apply_ack import apply_ack
from agent.store.bundles import GuardFigures
from drivers.events import BasketLine
from tests.unit.agent.made_rules import rules, sell, states, tell, told, word
from tests.unit.agent.stations import adopt
from tests.world import BASIC, World

MINUTE_S = 60
TAKEN_BACK = "BUNDLE_ROLLED_BACK"


def advance(world: World) -> None:
    world.run(lambda tx, at: lifecycle.advance(tx, world.site, at))


def guard(world: World, version: int = 43) -> GuardFigures:
    return world.run(lambda tx, at: tx.bundles.guard(version))


def activate(world: World, version: int = 43, **limits: int) -> None:
    """A version with a hole: what the shop sells meets no rule. `limits` of its rollout; none: no rollout."""
    staged = {"percent": 100, "shadow_sales": 0} | limits if limits else None
    payload = rules(version, points_minor=300, cut="shop", rollout=staged)
    assert adopt(world, payload).reason == ""
    assert states(world)[version] == ("ACTIVE", "")
    world.wait(1)


def decline(world: World, name: str) -> None:
    """A basket for which version 43 has no rule."""
    lines = (BasketLine("shop", 1_000, 1_000),)
    answer = world.pay(name, 0, point=None, lines=lines, credential=BASIC)
    assert (answer.points_minor, answer.reason) == (0, "NO_RULE")


def start(world: World, boot: str = "boot") -> None:
    world.run(lambda tx, at: lifecycle.note_start(boot, tx, world.site, at))


class TestDeclineRate:
    def sales(self, world: World, declined: int, earned: int) -> None:
        for number in range(declined):
            decline(world, f"D-{number}")
        for number in range(earned):
            assert sell(world, f"R-{number}") == 3_000
        advance(world)

    def test_more_declines_than_put_up_with_put_the_last_good_bundle_back(self, world: World) -> None:
        activate(world, least_sales=4, declined_bp=5_000)
        self.sales(world, declined=3, earned=1)
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "DECLINE_RATE")}
        assert world.alarms()[TAKEN_BACK, "bundle 2026-07 43"] == 1
        assert sell(world, "R-9") == 2_000, "and earning goes on by it"
        assert world.pay("R-10", 0, point=None, lines=(BasketLine("shop", 1_000, 1_000),), credential=BASIC)
        assert world.rows("SELECT version, minor FROM award ORDER BY stream_seq DESC LIMIT 1") == [
            (42, 1_000)
        ]

    def test_one_decline_fewer_changes_nothing(self, world: World) -> None:
        activate(world, least_sales=4, declined_bp=5_000)
        self.sales(world, declined=2, earned=2)
        assert states(world)[43] == ("ACTIVE", "")
        assert guard(world) == GuardFigures(sales=4, declined=2)

    def test_one_sale_fewer_than_it_takes_to_judge_changes_nothing(self, world: World) -> None:
        activate(world, least_sales=4, declined_bp=5_000)
        self.sales(world, declined=3, earned=0)
        assert states(world)[43] == ("ACTIVE", "")

    def test_the_usual_limits_hold_without_a_rollout(self, world: World) -> None:
        activate(world)
        self.sales(world, declined=10, earned=10)
        assert states(world)[43] == ("ACTIVE", "")
        decline(world, "D-99")
        advance(world)
        assert states(world)[43] == ("REJECTED", "DECLINE_RATE")

    def test_what_somebody_decided_is_no_decline(self, world: World) -> None:
        activate(world, least_sales=1, declined_bp=0)
        for number in range(4):
            amount_fen = world.fuel(10_000).amount_fen
            world.pay(f"R-{number}", amount_fen, credential=BASIC, tender="fleet-card")
        advance(world)
        assert states(world)[43] == ("ACTIVE", "")
        assert guard(world) == GuardFigures(sales=4)

    def test_hq_is_told_with_the_figures(self, world: World) -> None:
        activate(world, least_sales=4, declined_bp=5_000)
        self.sales(world, declined=3, earned=1)
        taken, put_back = told(world)[-2:]
        assert (taken.version, taken.state, taken.reason) == (43, "REJECTED", "DECLINE_RATE")
        assert (taken.sales, taken.declined) == (4, 3)
        assert (put_back.version, put_back.state, put_back.sales) == (42, "ACTIVE", 0)

    def test_it_judges_from_where_it_did_before(self, world: World) -> None:
        before = world.rows("SELECT in_force_from_ms, activated_at_ms FROM bundle WHERE version = 42")
        activate(world, least_sales=1, declined_bp=0)
        self.sales(world, declined=1, earned=0)
        after = world.rows("SELECT in_force_from_ms, activated_at_ms FROM bundle WHERE version = 42")
        assert (after, states(world)[42]) == (before, ("ACTIVE", ""))


class TestAwardMismatch:
    def spoil(self, world: World, *names: str) -> None:
        """What is stored of these awards is no longer what the rules give."""
        with world.store.transaction():
            for name in names:
                [(fact,)] = world.rows("SELECT fact_id FROM pos_sale WHERE pos_sale_id = ?", name)
                sql = "UPDATE award SET minor = minor + 1 WHERE fact_id = ?"
                world.store._connection.execute(sql, (fact,))

    def test_an_award_that_cannot_be_computed_again_puts_the_last_good_bundle_back(
        self, world: World
    ) -> None:
        activate(world, mismatched=1)
        for name in ("R-1", "R-2", "R-3"):
            sell(world, name)
        self.spoil(world, "R-1", "R-3")
        advance(world)
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "AWARD_MISMATCH")}
        assert world.alarms()["AWARD_MISMATCH", "bundle 2026-07 43"] == 2

    def test_as_many_as_are_put_up_with_are_counted_once_each(self, world: World) -> None:
        activate(world, mismatched=1)
        sell(world, "R-1")
        self.spoil(world, "R-1")
        for _ in range(5):
            advance(world)
        assert states(world)[43] == ("ACTIVE", "")
        assert guard(world).mismatched == 1

    def test_without_a_rollout_one_is_enough(self, world: World) -> None:
        activate(world)
        sell(world, "R-1")
        advance(world)
        assert states(world)[43] == ("ACTIVE", "")
        sell(world, "R-2")
        self.spoil(world, "R-2")
        advance(world)
        assert states(world)[43] == ("REJECTED", "AWARD_MISMATCH")

    def test_awards_of_other_rules_are_not_its_fault(self, world: World) -> None:
        sell(world, "R-1")
        late = world.fuel(11_000)
        self.spoil(world, "R-1")
        world.wait(1)
        activate(world, mismatched=0)
        payload = rules(44, effective_ms=world.at_ms)
        adopt(world, payload)
        world.pay("R-2", late.amount_fen, credential=BASIC)
        self.spoil(world, "R-2")
        advance(world)
        assert states(world)[44] == ("ACTIVE", "")

    def test_stored_inputs_that_are_none_any_more_are_a_mismatch_not_a_fault(self, world: World) -> None:
        activate(world)
        sell(world, "R-1")
        with world.store.transaction():
            world.store._connection.execute("UPDATE award SET inputs = '{}'")
        advance(world)
        assert states(world)[43] == ("REJECTED", "AWARD_MISMATCH")


class TestMismatchesThatHqFound:
    def hear(self, world: World, total: int) -> None:
        world.run(lambda tx, at: lifecycle.note_mismatches(total, tx, at))
        advance(world)

    def acknowledge(self, world: World) -> None:
        """HQ has everything that this station wrote until now."""
        [(seq, head)] = world.rows(
            "SELECT seq, head FROM outbox WHERE stream = 'ledger' ORDER BY seq DESC LIMIT 1"
        )
        assert world.run(lambda tx, at: apply_ack("ledger", seq, head, tx, at)) == ""

    def test_one_too_many_puts_the_last_good_bundle_back(self, world: World) -> None:
        activate(world, mismatched=2)
        sell(world, "R-1")
        self.acknowledge(world)
        self.hear(world, 2)
        assert states(world)[43] == ("ACTIVE", "")
        self.hear(world, 3)
        assert states(world)[43] == ("REJECTED", "AWARD_MISMATCH")

    def test_the_same_total_again_and_an_overtaken_ack_count_nothing(self, world: World) -> None:
        activate(world, mismatched=2)
        sell(world, "R-1")
        self.acknowledge(world)
        for total in (2, 2, 1, 0, 2):
            self.hear(world, total)
            assert guard(world).mismatched == 2
        assert states(world)[43] == ("ACTIVE", "")

    def test_what_was_known_before_the_activation_is_not_its_fault(self, world: World) -> None:
        sell(world, "R-1")
        self.acknowledge(world)
        self.hear(world, 7)
        activate(world, mismatched=0)
        sell(world, "R-2")
        self.acknowledge(world)
        self.hear(world, 7)
        assert states(world)[43] == ("ACTIVE", "")

    def test_nor_what_hq_says_before_it_has_seen_a_sale_of_it(self, world: World) -> None:
        sell(world, "R-1")
        activate(world, mismatched=0)
        self.acknowledge(world)
        self.hear(world, 1)
        assert states(world)[43] == ("ACTIVE", "")
        sell(world, "R-2")
        self.acknowledge(world)
        self.hear(world, 2)
        assert states(world)[43] == ("REJECTED", "AWARD_MISMATCH")

    def test_a_new_epoch_begins_at_nothing(self, world: World) -> None:
        activate(world, mismatched=0)
        self.hear(world, 5)
        world.run(lambda tx, at: tx.forks.raise_epoch(at.wall_ms))
        sell(world, "R-1")
        self.acknowledge(world)
        self.hear(world, 1)
        assert states(world)[43] == ("REJECTED", "AWARD_MISMATCH")


class TestCrashLoop:
    def crash(self, world: World, after_s: int = MINUTE_S) -> None:
        """The run ends without a word, and systemd starts the next one."""
        world.wait(after_s)
        start(world)

    def test_too_many_crashes_put_the_last_good_bundle_back_at_the_start(self, world: World) -> None:
        """Before any chore: the next crash may come sooner."""
        activate(world, crashes=2)
        start(world)
        for _ in range(2):
            self.crash(world)
        assert (states(world)[43], guard(world).crashes) == (("ACTIVE", ""), 2)
        self.crash(world)
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "CRASH_LOOP")}
        assert world.alarms()[TAKEN_BACK, "bundle 2026-07 43"] == 1

    def test_without_a_rollout_the_third_is_too_many(self, world: World) -> None:
        activate(world)
        start(world)
        for _ in range(2):
            self.crash(world)
        assert states(world)[43] == ("ACTIVE", "")
        self.crash(world)
        assert states(world)[43] == ("REJECTED", "CRASH_LOOP")

    @pytest.mark.parametrize("ends_cleanly", [True, False])
    def test_a_good_run_between_them_begins_the_count_again(self, world: World, ends_cleanly: bool) -> None:
        activate(world, crashes=2)
        start(world)
        self.crash(world)
        self.crash(world)
        if ends_cleanly:
            world.run(lifecycle.note_end)
            self.crash(world)
        else:
            self.crash(world, after_s=600)
        assert guard(world).crashes == 0
        self.crash(world)
        self.crash(world)
        assert states(world)[43] == ("ACTIVE", "")

    def test_power_cuts_blame_no_bundle(self, world: World) -> None:
        activate(world, crashes=0)
        start(world)
        for number in range(5):
            world.wait(MINUTE_S)
            start(world, f"boot {number}")
        assert (states(world)[43], guard(world).crashes) == (("ACTIVE", ""), 0)

    def test_a_run_just_short_of_ten_minutes_was_a_crash(self, world: World) -> None:
        activate(world, crashes=0)
        start(world)
        self.crash(world, after_s=599)
        assert states(world)[43] == ("REJECTED", "CRASH_LOOP")

    def test_a_run_that_began_under_other_rules_does_not_blame_the_new_ones(self, world: World) -> None:
        start(world)
        world.wait(10)
        activate(world, crashes=0)
        self.crash(world)
        assert states(world)[43] == ("ACTIVE", "")
        self.crash(world)
        assert states(world)[43] == ("REJECTED", "CRASH_LOOP")

    def test_a_station_without_rules_may_crash(self, tmp_path) -> None:  # type: ignore[no-untyped-def]
        bare = World(tmp_path / "bare.db")
        for _ in range(5):
            self.crash(bare)
        assert bare.count("run") == 5


class TestLastGood:
    """Two slots: one step back, and no further."""

    def break_it(self, world: World) -> None:
        decline(world, f"D-{world.at_ms}")
        world.wait(1)
        advance(world)

    def test_without_a_last_good_one_it_stays_and_somebody_is_told_once(self, world: World) -> None:
        for number in range(3):
            world.run(lambda tx, at: tx.bundles.count_guard(42, mismatched=1))
            advance(world)
            assert states(world) == {42: ("ACTIVE", "AWARD_MISMATCH")}, number
        assert world.alarms()["BUNDLE_SUSPECT", "bundle 2026-07 42"] == 1
        assert (told(world)[-1].state, told(world)[-1].reason) == ("ACTIVE", "AWARD_MISMATCH")
        assert sell(world, "R-1") == 2_000

    def test_what_was_put_back_is_not_taken_back_too(self, world: World) -> None:
        """If older rules do no better, it is not the rules."""
        adopt(world, rules(43, cut="shop"))
        activate(world, 44, least_sales=1, declined_bp=0)
        self.break_it(world)
        assert states(world) == {42: ("RETIRED", ""), 43: ("ACTIVE", ""), 44: ("REJECTED", "DECLINE_RATE")}
        for number in range(20):
            decline(world, f"X-{number}")
        advance(world)
        assert states(world)[43] == ("ACTIVE", "DECLINE_RATE")
        assert states(world)[42] == ("RETIRED", "")

    def test_a_suspect_one_is_nothing_to_go_back_to(self, world: World) -> None:
        world.run(lambda tx, at: tx.bundles.count_guard(42, mismatched=1))
        advance(world)
        activate(world, least_sales=1, declined_bp=0)
        self.break_it(world)
        assert states(world) == {42: ("RETIRED", "AWARD_MISMATCH"), 43: ("ACTIVE", "DECLINE_RATE")}

    def test_what_was_taken_back_never_returns_and_a_higher_version_may(self, world: World) -> None:
        activate(world, least_sales=1, declined_bp=0)
        self.break_it(world)
        again = rules(43, points_minor=300, cut="shop", rollout={"percent": 100, "shadow_sales": 0})
        assert adopt(world, again).reason == "BUNDLE_CONFLICT"
        [(body,)] = world.rows("SELECT body FROM bundle WHERE version = 43")
        assert adopt(world, body).reason == "BUNDLE_REJECTED"
        tell(world, word(world, 1, 43, 100))
        world.reopen()
        advance(world)
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "DECLINE_RATE")}
        assert adopt(world, rules(44)).reason == ""
        assert states(world)[44] == ("ACTIVE", "")

    def test_the_count_begins_anew_with_each_activation(self, world: World) -> None:
        sell(world, "R-1")
        assert guard(world, 42).sales == 1
        activate(world, least_sales=1, declined_bp=0)
        self.break_it(world)
        assert guard(world, 42) == GuardFigures()


class TestLimits:
    """`broken` at its edges, and which reason goes first."""

    @pytest.mark.parametrize(
        ("seen", "reason"),
        [
            (GuardFigures(), ""),
            (GuardFigures(sales=19, declined=19), ""),
            (GuardFigures(sales=20, declined=10), ""),
            (GuardFigures(sales=20, declined=11), "DECLINE_RATE"),
            (GuardFigures(mismatched=1), "AWARD_MISMATCH"),
            (GuardFigures(crashes=2), ""),
            (GuardFigures(crashes=3), "CRASH_LOOP"),
            (GuardFigures(sales=20, declined=20, crashes=3), "CRASH_LOOP"),
            (GuardFigures(sales=20, declined=20, mismatched=1, crashes=3), "AWARD_MISMATCH"),
        ],
    )
    def test_the_usual_ones(self, seen: GuardFigures, reason: str) -> None:
        assert guardrails.broken(guardrails.USUAL, seen) == reason
