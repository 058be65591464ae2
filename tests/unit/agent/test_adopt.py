"""Unit: are signed bundles and snapshots taken in once, in order, whole, and for this station only?"""

import json
from hashlib import sha256

import pytest

from agent.handlers.adopt_members import adopt_members
from agent.handlers.adoption import Adoption
from tests.unit.agent.made_rules import rules, states, told
from tests.unit.agent.stations import adopt, bundle_bytes
from tests.world import BASIC, GOLD, STRANGER, World

NEXT = ("version = 42", "version = 43")
FROM_JANUARY = ("effective_from = 2026-07-01", "effective_from = 2026-01-01")


def snapshot(world: World, **changes: object) -> bytes:
    content: dict[str, object] = {
        "schema": "members/1",
        "station": "station-0042",
        "programme": "demo-cn",
        "version": 2,
        "issued_at_ms": world.at_ms,
        "members": [],
    }
    return json.dumps(content | changes).encode()


def take(world: World, payload: bytes) -> Adoption:
    return world.run(lambda tx, at: adopt_members(payload, tx, world.site, at))


def member(world: World, **changes: object) -> dict[str, object]:
    return {"member": "m-gold", "credentials": [world.hash(GOLD)], "tier": "gold"} | changes


class TestBundle:
    def test_it_is_stored_as_its_signed_bytes_and_reported(self, world: World) -> None:
        payload = bundle_bytes(NEXT)
        assert adopt(world, payload).reason == ""
        digest = sha256(payload).digest()
        assert world.rows("SELECT body, sha256 FROM bundle WHERE version = 43") == [(payload, digest)]
        [(body,)] = world.rows("SELECT body FROM outbox WHERE kind = 'adopted' ORDER BY seq DESC LIMIT 1")
        assert json.loads(body)["sha256"] == digest.hex()
        assert [(item.version, item.state) for item in told(world)[-3:]] == [
            (43, "VERIFIED"),
            (42, "RETIRED"),
            (43, "ACTIVE"),
        ]

    def test_again_it_changes_nothing(self, world: World) -> None:
        before = world.rows("SELECT * FROM outbox")
        again = adopt(world, bundle_bytes())
        assert (again.reason, again.text) == ("", "bundle 2026-07 version 42 is here already")
        assert (world.rows("SELECT * FROM outbox"), world.count("bundle")) == (before, 1)

    @pytest.mark.parametrize(
        ("replacement", "reason"),
        [
            (("points_minor = 200", "points_minor = 300"), "BUNDLE_CONFLICT"),
            (("version = 42", "version = 41"), "BUNDLE_ROLLBACK"),
            (('bundle = "2026-07"', 'bundle = "2026-08"'), "BUNDLE_ROLLBACK"),
            (('program = "demo-cn"', 'program = "other"'), "OTHER_PROGRAMME"),
        ],
    )
    def test_refused_and_nothing_changes(
        self, world: World, replacement: tuple[str, str], reason: str
    ) -> None:
        before = world.rows("SELECT * FROM bundle")
        assert adopt(world, bundle_bytes(replacement)).reason == reason
        assert world.rows("SELECT * FROM bundle") == before

    @pytest.mark.parametrize("payload", [b"", b"\xff", b"[", b"a = 1"])
    def test_what_is_no_bundle_is_refused(self, world: World, payload: bytes) -> None:
        assert adopt(world, payload).reason != ""
        assert world.count("bundle") == 1

    def test_another_scale_is_refused(self, world: World) -> None:
        payload = bundle_bytes(NEXT, ("points_scale = 100", "points_scale = 10"))
        assert adopt(world, payload).reason != ""
        assert world.count("bundle") == 1

    def test_the_newest_whose_time_has_come_is_in_force(self, world: World) -> None:
        adopt(world, rules(43, points_minor=300, effective_ms=world.at_ms + 2 * 3_600_000))
        assert world.pay("R-1", world.fuel(50_000).amount_fen, credential=BASIC).points_minor == 10_000
        world.wait(2 * 3_600)
        world.pass_days()
        assert world.pay("R-2", world.fuel(50_000).amount_fen, credential=BASIC).points_minor == 15_000
        assert world.rows("SELECT version FROM award ORDER BY stream_seq") == [(42,), (43,)]

    def test_the_rules_are_those_in_force_when_it_was_fuelled(self, world: World) -> None:
        """I22: fuelled before the new rules began, paid after."""
        adopt(world, rules(43, points_minor=300, effective_ms=world.at_ms + 60_000))
        fuelling = world.fuel(50_000)
        world.wait(120)
        world.pass_days()
        assert world.pay("R-1", fuelling.amount_fen, credential=BASIC).points_minor == 10_000
        assert world.rows("SELECT version FROM award") == [(42,)]

    def test_sales_that_waited_for_rules_are_settled_when_they_come(self, world: World) -> None:
        """The station sold for a day before its first bundle reached it."""
        world.at_ms -= 30 * 86_400_000
        for number, credential in enumerate((GOLD, None, BASIC)):
            answer = world.pay(f"R-{number}", world.fuel(50_000).amount_fen, credential=credential)
            assert answer.reason == ("NO_RULES" if credential else "NO_MEMBER")
        adopted = adopt(world, bundle_bytes(NEXT, FROM_JANUARY))
        assert adopted.text.endswith("2 waiting sales settled")
        assert world.rows("SELECT member, minor, version FROM award ORDER BY stream_seq") == [
            ("m-gold", 12_000, 43),
            ("m-basic", 10_000, 43),
        ]
        assert world.pay("R-0", 39_250, credential=GOLD).points_minor == 12_000

    def test_a_bundle_too_young_for_them_settles_nothing(self, world: World) -> None:
        world.at_ms -= 30 * 86_400_000
        world.pay("R-1", world.fuel(50_000).amount_fen, credential=GOLD)
        assert adopt(world, bundle_bytes(NEXT)).text.endswith("0 waiting sales settled")
        assert world.count("award") == 0

    def test_a_bundle_whose_transaction_failed_is_not_in_force(self, world: World) -> None:
        """Parsed rules are kept between transactions: what was taken back must be forgotten there too."""
        payload = rules(43, points_minor=300)

        class Crash(Exception):
            pass

        def crash_after_use(tx, at):  # type: ignore[no-untyped-def]
            from agent.handlers.adopt_bundle import adopt_bundle

            assert adopt_bundle(payload, tx, world.site, at).reason == ""
            assert tx.bundles.in_force(at.wall_ms).version == 43
            raise Crash

        with pytest.raises(Crash):
            world.run(crash_after_use)
        assert world.pay("R-1", world.fuel(50_000).amount_fen, credential=BASIC).points_minor == 10_000


class TestSound:
    """A bundle that would do harm is refused, the old one stays, and HQ is told which rule it was."""

    def refused(self, world: World, payload: bytes) -> Adoption:
        adoption = adopt(world, payload)
        assert states(world) == {42: ("ACTIVE", "")}
        assert world.pay("R-1", world.fuel(50_000).amount_fen, credential=BASIC).points_minor == 10_000
        return adoption

    def test_item_11_a_bundle_whose_vectors_do_not_reproduce_is_refused_and_the_old_one_stays(
        self, world: World
    ) -> None:
        """points.md 9.11: the rate was changed, its golden vectors were not."""
        adoption = self.refused(world, bundle_bytes(NEXT, ("points_minor = 200", "points_minor = 300")))
        assert adoption.reason == "VECTOR_MISMATCH"
        assert "G1 plain fill" in adoption.text
        assert "line" in adoption.text
        assert (told(world)[-1].version, told(world)[-1].state, told(world)[-1].reason) == (
            43,
            "REJECTED",
            "VECTOR_MISMATCH",
        )
        assert adopt(world, bundle_bytes(NEXT)).reason == "", "corrected, it may come under the same number"

    def test_a_product_sold_here_that_no_rule_meets(self, world: World) -> None:
        adoption = self.refused(world, rules(43, cut="petrol-95"))
        assert adoption.reason == "RULE_HOLE"
        assert "petrol-95" in adoption.text

    def test_a_cohort_that_loses_what_it_was_promised(self, world: World) -> None:
        payload = rules(43).replace(b"until = 2027-12-31\nmode", b"until = 2027-06-30\nmode")
        assert payload != rules(43)
        assert self.refused(world, payload).reason == "COHORT_DROPPED"

    def test_a_zone_that_this_machine_does_not_know(self, world: World) -> None:
        payload = bundle_bytes(NEXT, ('"Asia/Shanghai"', '"Asia/Nowhere"'))
        assert self.refused(world, payload).reason == "UNKNOWN_TIMEZONE"

    def test_delayed_activation_is_no_objection(self, world: World) -> None:
        assert adopt(world, bundle_bytes(NEXT, ('after = "PT0S"', 'after = "PT48H"'))).reason == ""

    def test_a_version_far_ahead_is_refused_before_it_locks_out_the_rest(self, world: World) -> None:
        """reliability.md, signature attack table: fast-forward."""
        for ahead in (1_000_001, 2**31, 2**53 - 43):
            assert self.refused(world, rules(42 + ahead)).reason == "VERSION_JUMP"
        assert adopt(world, rules(42 + 1_000_000)).reason == ""

    def test_every_refusal_is_counted(self, world: World) -> None:
        adopt(world, rules(41))
        adopt(world, rules(42))
        assert world.alarms()["BUNDLE_ROLLBACK", "documents"] == 1
        assert world.alarms()["BUNDLE_CONFLICT", "documents"] == 1


class TestUsage:
    def test_a_day_s_cap_counts_every_award_of_the_business_day(self, world: World) -> None:
        """500 points a day: four sales of 120, then what is left, then nothing, and a new day."""
        earned = [self.sell(world, number) for number in range(6)]
        assert earned == [12_000, 12_000, 12_000, 12_000, 2_000, 0]
        assert world.rows("SELECT period, minor FROM usage ORDER BY period") == [
            ("2026-07", 50_000),
            ("2026-07-08", 50_000),
        ]
        world.wait(6 * 86_400)
        assert self.sell(world, 9) == 12_000
        assert world.rows("SELECT minor FROM usage WHERE period = '2026-07'") == [(62_000,)]

    def test_a_refund_does_not_open_the_cap_again(self, world: World) -> None:
        for number in range(5):
            self.sell(world, number)
        world.refund("F-1", "R-0", 39_250)
        assert self.sell(world, 9) == 0

    def sell(self, world: World, number: int) -> int | None:
        return world.pay(f"R-{number}", world.fuel(50_000).amount_fen, credential=GOLD).points_minor


class TestMembers:
    def test_a_full_snapshot_replaces_the_one_before(self, world: World) -> None:
        assert take(world, snapshot(world, members=[member(world)])).reason == ""
        assert world.rows("SELECT member FROM member") == [("m-gold",)]
        assert world.rows("SELECT credential, member FROM credential") == [(world.hash(GOLD), "m-gold")]
        assert world.pay("R-1", world.fuel().amount_fen, credential=BASIC).reason == "MEMBER_UNKNOWN"

    def test_again_it_changes_nothing(self, world: World) -> None:
        payload = snapshot(world)
        take(world, payload)
        before = world.rows("SELECT * FROM outbox")
        assert take(world, payload).text == "member snapshot version 2 is here already"
        assert world.rows("SELECT * FROM outbox") == before

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"version": 1}, "SNAPSHOT_ROLLBACK"),
            ({"station": "station-0043"}, "OTHER_STATION"),
            ({"programme": "other"}, "OTHER_STATION"),
            ({"version": 0}, "SNAPSHOT_MALFORMED"),
            ({"version": 2.0}, "SNAPSHOT_MALFORMED"),
            ({"schema": "members/2"}, "SNAPSHOT_MALFORMED"),
            ({"members": [{"member": "m 1", "tier": "gold"}]}, "SNAPSHOT_MALFORMED"),
            ({"members": [{"member": "m-1", "tier": "gold", "phone": "13800138000"}]}, "SNAPSHOT_MALFORMED"),
            ({"members": [{"member": "m-1", "tier": "gold", "credentials": ["C-1"]}]}, "SNAPSHOT_MALFORMED"),
            ({"members": [{"member": "m-1", "tier": "gold", "birthday": [2, 30]}]}, "SNAPSHOT_MALFORMED"),
            ({"members": [{"member": "m-1", "tier": "gold", "cohort": "c" * 65}]}, "SNAPSHOT_MALFORMED"),
            (
                {"members": [{"member": "m-1", "tier": "a"}, {"member": "m-1", "tier": "b"}]},
                "SNAPSHOT_MALFORMED",
            ),
        ],
    )
    def test_refused_and_nothing_changes(self, world: World, changes: dict[str, object], reason: str) -> None:
        before = world.rows("SELECT * FROM member")
        refused = take(world, snapshot(world, **changes))
        assert refused.reason == reason
        assert "13800138000" not in refused.text
        assert (world.rows("SELECT * FROM member"), world.count("snapshot")) == (before, 1)

    def test_a_credential_of_two_members_is_refused(self, world: World) -> None:
        double = [member(world), member(world, member="m-2")]
        assert take(world, snapshot(world, members=double)).reason == "CREDENTIAL_OF_TWO"
        assert world.count("member") == 2

    def test_a_credential_listed_twice_for_one_member_is_one(self, world: World) -> None:
        hashed = world.hash(GOLD)
        assert (
            take(world, snapshot(world, members=[member(world, credentials=[hashed, hashed])])).reason == ""
        )
        assert world.rows("SELECT count(*) FROM credential") == [(1,)]

    def test_29_february_is_a_birthday(self, world: World) -> None:
        take(world, snapshot(world, members=[member(world, birthday=[2, 29])]))
        assert world.pay("R-1", world.fuel(50_000).amount_fen, credential=GOLD).points_minor == 12_000

    def test_a_birthday_doubles(self, world: World) -> None:
        take(world, snapshot(world, members=[member(world, birthday=[7, 8])]))
        assert world.pay("R-1", world.fuel(50_000).amount_fen, credential=GOLD).points_minor == 24_000


class TestDisplayedBalance:
    """points.md 3 and I20: HQ's balance plus what we booked since, nothing twice."""

    def include(self, world: World, version: int, seq: int, balance_minor: int) -> None:
        basic = {"member": "m-basic", "credentials": [world.hash(BASIC)], "tier": "basic"}
        payload = snapshot(
            world, version=version, members=[basic | {"included_seq": seq, "balance_minor": balance_minor}]
        )
        assert take(world, payload).reason == ""

    def test_what_hq_has_included_is_not_counted_again(self, world: World) -> None:
        for number in range(3):
            world.pay(f"R-{number}", world.fuel(10_000).amount_fen, credential=BASIC)
        assert world.balance_minor("m-basic") == 6_000
        self.include(world, 2, 2, 4_000)
        assert world.balance_minor("m-basic") == 6_000
        self.include(world, 3, 3, 6_000)
        assert world.balance_minor("m-basic") == 6_000
        assert world.present(BASIC).provisional is False
        world.pay("R-9", world.fuel(10_000).amount_fen, credential=BASIC)
        assert world.balance_minor("m-basic") == 8_000
        assert world.present(BASIC).provisional is True

    def test_what_was_spent_elsewhere_is_gone_here_too(self, world: World) -> None:
        world.pay("R-1", world.fuel(10_000).amount_fen, credential=BASIC)
        self.include(world, 2, 1, 500)
        assert world.balance_minor("m-basic") == 500

    def test_a_stranger_who_became_a_member_is_known_from_then_on(self, world: World) -> None:
        world.adopt_members(2, {"member": "m-new", "credentials": [world.hash(STRANGER)], "tier": "basic"})
        assert world.pay("R-1", world.fuel(10_000).amount_fen, credential=STRANGER).points_minor == 2_000
