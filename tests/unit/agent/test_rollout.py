"""Unit: does HQ's word on a rollout decide who takes a bundle, once, in order, while it is true?"""

from dataclasses import replace
from itertools import pairwise

import pytest

from agent.handlers import rule_slots
from agent.messages.rollout import Rollout, bucket, parse_rollout
from sync import signing
from sync.keys import SigningKey
from sync.refusal import Refusal
from tests.unit.agent.made_rules import OURS, ROLLOUT, rules, sell, states, tell, told, word
from tests.unit.agent.stations import adopt
from tests.world import BASIC, World

STAGES = (5, 20, 50, 100)
HQ = SigningKey(bytes(range(32)))
OTHER = SigningKey(bytes(32))
SAMPLE_PAYLOAD = (
    b'{"schema":"rollout/1","programme":"demo-cn","serial":7,"rollout":"spring","version":43,'
    b'"percent":20,"issued_at_ms":1783476000000,"not_after_ms":1784080800000}'
)
SAMPLE = (
    b'{"payload":"eyJzY2hlbWEiOiJyb2xsb3V0LzEiLCJwcm9ncmFtbWUiOiJkZW1vLWNuIiwic2VyaWFsIjo3LCJyb2xsb3V0'
    b"Ijoic3ByaW5nIiwidmVyc2lvbiI6NDMsInBlcmNlbnQiOjIwLCJpc3N1ZWRfYXRfbXMiOjE3ODM0NzYwMDAwMDAsIm5vdF9h"
    b'ZnRlcl9tcyI6MTc4NDA4MDgwMDAwMH0=","payloadType":"application/vnd.forecourt.rollout+json","signat'
    b'ures":[{"keyid":"56475aa75463474c","sig":"fUV0Z7xj6cx+AUjDPobrQmYbzBZXEJEVgU5edyBksDu3OiezvQuvta'
    b'9IdeRN1fP3MEL3ccy8MQ/nQgCz7rRcBA=="}]}'
)


def staged(world: World, version: int = 43, **limits: int) -> None:
    assert adopt(world, rules(version, points_minor=300, rollout={"shadow_sales": 0} | limits)).reason == ""


class TestBucket:
    @pytest.mark.parametrize("percent", STAGES)
    def test_as_many_stations_of_10000_take_part_as_the_percentage_says(self, percent: int) -> None:
        """Within four standard deviations of a fair draw: 10000 · p · (1 - p)."""
        taking = sum(bucket(f"station-{n:05}", ROLLOUT) < percent for n in range(10_000))
        expected, spread = 100 * percent, (10_000 * percent * (100 - percent)) ** 0.5 / 100
        assert abs(taking - expected) <= 4 * spread

    def test_every_bucket_is_used_about_equally(self) -> None:
        """Chi square with 99 degrees of freedom stays below 148.2 in 99.9 % of fair draws."""
        counts = [0] * 100
        for number in range(10_000):
            counts[bucket(f"station-{number:05}", ROLLOUT)] += 1
        assert sum((count - 100) ** 2 / 100 for count in counts) < 148.2

    def test_who_is_in_at_5_percent_is_in_at_every_later_stage(self) -> None:
        names = [f"station-{number:05}" for number in range(10_000)]
        taking = [{name for name in names if bucket(name, ROLLOUT) < percent} for percent in STAGES]
        assert all(few < many for few, many in pairwise(taking))
        assert taking[-1] == set(names)

    def test_another_rollout_deals_anew(self) -> None:
        names = [f"station-{number:05}" for number in range(10_000)]
        first, second = ({n for n in names if bucket(n, r) < 20} for r in ("spring", "summer"))
        assert 300 < len(first & second) < 500

    def test_it_is_the_same_for_ever(self) -> None:
        """A station that came in must not fall out with an update of the agent."""
        assert (bucket("station-0042", "spring"), bucket("a", "bc"), bucket("ab", "c")) == (43, 40, 27)


class TestSignedDocument:
    """A document made once by this code must open for ever, and nothing else must."""

    def open(self, document: bytes, payload_type: str = signing.ROLLOUT_TYPE) -> bytes | Refusal:
        return signing.open_document(document, payload_type, [HQ.public])

    def test_the_sample_opens_and_says_what_it_said(self) -> None:
        payload = self.open(SAMPLE)
        assert payload == SAMPLE_PAYLOAD
        assert parse_rollout(SAMPLE_PAYLOAD) == Rollout.model_validate(
            {
                "schema": "rollout/1",
                "programme": "demo-cn",
                "serial": 7,
                "rollout": "spring",
                "version": 43,
                "percent": 20,
                "issued_at_ms": 1_783_476_000_000,
                "not_after_ms": 1_784_080_800_000,
            }
        )

    def test_signing_it_again_gives_the_sample(self) -> None:
        assert signing.sign_document(signing.ROLLOUT_TYPE, SAMPLE_PAYLOAD, HQ) == SAMPLE

    def test_every_flipped_byte_is_refused(self) -> None:
        """reliability.md, signature attack table: tampered."""
        for place in range(len(SAMPLE)):
            flipped = bytearray(SAMPLE)
            flipped[place] ^= 0x01
            opened = self.open(bytes(flipped))
            assert isinstance(opened, Refusal) or opened == SAMPLE_PAYLOAD, place

    def test_every_cut_is_refused(self) -> None:
        for part in range(64):
            assert isinstance(self.open(SAMPLE[: len(SAMPLE) * part // 64]), Refusal)

    def test_another_key_and_another_type_are_refused(self) -> None:
        forged = signing.sign_document(signing.ROLLOUT_TYPE, SAMPLE_PAYLOAD, OTHER)
        as_bundle = signing.sign_document(signing.BUNDLE_TYPE, SAMPLE_PAYLOAD, HQ)
        reasons = [self.open(forged), self.open(as_bundle), self.open(SAMPLE, signing.MEMBERS_TYPE)]
        assert [r.reason for r in reasons if isinstance(r, Refusal)] == [
            "DOCUMENT_UNTRUSTED",
            "DOCUMENT_TYPE",
            "DOCUMENT_TYPE",
        ]


class TestRefused:
    @pytest.mark.parametrize(
        "changes",
        [
            {"percent": 101},
            {"percent": -1},
            {"percent": 20.0},
            {"percent": True},
            {"percent": "20"},
            {"serial": 0},
            {"version": 0},
            {"schema": "rollout/2"},
            {"withdrawn": 1},
            {"hurry": True},
            {"not_after_ms": 0},
            {"rollout": ""},
        ],
    )
    def test_what_is_no_rollout(self, world: World, changes: dict[str, object]) -> None:
        assert tell(world, word(world, 1, 43, **changes)).reason == "ROLLOUT_MALFORMED"
        assert world.count("rollout") == 0

    @pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_what_is_not_even_json(self, world: World, payload: bytes) -> None:
        assert tell(world, payload).reason == "ROLLOUT_MALFORMED"

    def test_that_of_another_programme(self, world: World) -> None:
        assert tell(world, word(world, 1, 43, programme="other")).reason == "OTHER_PROGRAMME"

    def test_one_whose_time_is_over(self, world: World) -> None:
        """Freeze and late replay: what was true once is not true for ever."""
        late, just = word(world, 1, 43, 100), word(world, 2, 43, 100)
        world.wait(3600)
        assert tell(world, just).reason == ""
        world.at_ms += 1
        assert tell(world, late.replace(b'"serial": 1', b'"serial": 3')).reason == "ROLLOUT_EXPIRED"

    def test_one_with_another_rollout_s_name(self, world: World) -> None:
        staged(world)
        refused = tell(world, word(world, 1, 43, 100, rollout="summer"))
        assert refused.reason == "OTHER_ROLLOUT"
        assert states(world)[43] == ("SHADOW", "")

    def test_a_percentage_for_a_bundle_that_is_not_staged(self, world: World) -> None:
        assert tell(world, word(world, 1, 42, 5)).reason == "OTHER_ROLLOUT"

    def test_every_refusal_is_counted(self, world: World) -> None:
        tell(world, b"")
        tell(world, b"")
        assert world.alarms()["ROLLOUT_MALFORMED", "documents"] == 2


class TestReplayed:
    def test_the_same_again_is_here_already(self, world: World) -> None:
        staged(world)
        document = word(world, 5, 43, OURS)
        assert tell(world, document).reason == ""
        before = world.rows("SELECT * FROM outbox")
        assert tell(world, document).text == "rollout serial 5 is here already"
        assert (world.rows("SELECT * FROM outbox"), world.count("rollout")) == (before, 1)

    def test_an_older_word_does_not_come_back(self, world: World) -> None:
        """100 % was stopped: who kept the old document cannot start it again."""
        staged(world)
        tell(world, word(world, 5, 43, 0))
        for serial in (4, 5):
            assert tell(world, word(world, serial, 43, 100)).reason == "ROLLOUT_ROLLBACK"
        assert states(world)[43] == ("SHADOW", "")

    def test_a_withdrawal_is_not_undone_by_the_word_before_it(self, world: World) -> None:
        staged(world)
        go = word(world, 5, 43, 100)
        assert tell(world, go).reason == ""
        assert tell(world, word(world, 6, 43, withdrawn=True)).reason == ""
        assert tell(world, go).reason == "ROLLOUT_ROLLBACK"
        assert tell(world, word(world, 7, 43, 100)).reason == ""
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "WITHDRAWN")}

    def test_it_is_still_old_after_a_restart(self, world: World) -> None:
        tell(world, word(world, 5, 43, 100))
        world.reopen()
        assert tell(world, word(world, 4, 43, 100)).reason == "ROLLOUT_ROLLBACK"

    def test_a_serial_far_ahead_is_refused_before_it_locks_out_the_rest(self, world: World) -> None:
        tell(world, word(world, 5, 43, 0))
        assert tell(world, word(world, 5 + 1_000_001, 43, 0)).reason == "SERIAL_JUMP"
        assert tell(world, word(world, 5 + 1_000_000, 43, 0)).reason == ""


class TestStages:
    def test_the_station_comes_in_when_the_percentage_passes_its_bucket(self, world: World) -> None:
        staged(world)
        assert tell(world, word(world, 1, 43, OURS)).reason == ""
        assert states(world) == {42: ("ACTIVE", ""), 43: ("SHADOW", "")}
        assert tell(world, word(world, 2, 43, OURS + 1)).reason == ""
        assert states(world) == {42: ("RETIRED", ""), 43: ("ACTIVE", "")}

    def test_the_bundle_s_own_percentage_is_where_it_begins(self, world: World) -> None:
        staged(world, percent=OURS + 1)
        assert states(world)[43] == ("ACTIVE", "")

    def test_a_lower_percentage_later_takes_nothing_back(self, world: World) -> None:
        staged(world, percent=100)
        tell(world, word(world, 1, 43, 0))
        assert states(world)[43] == ("ACTIVE", "")

    def test_the_word_may_come_before_the_bundle(self, world: World) -> None:
        assert tell(world, word(world, 1, 43, 100)).text.endswith("it has not come yet")
        staged(world)
        assert states(world)[43] == ("ACTIVE", "")

    def test_a_word_on_another_version_since_changes_nothing(self, world: World) -> None:
        tell(world, word(world, 1, 43, 100))
        tell(world, word(world, 2, 41, withdrawn=True))
        staged(world)
        assert states(world)[43] == ("ACTIVE", "")

    @pytest.mark.parametrize("percent", STAGES)
    def test_200_stations_take_it_stage_by_stage(self, world: World, percent: int) -> None:
        """The decision of each of 200 stations on the same candidate; four standard deviations."""
        staged(world)
        tell(world, word(world, 1, 43, 0))
        world.run(lambda tx, at: tx.bundles.add_rollout(_with_percent(tx, percent, at.wall_ms)))
        taking = sum(self.would_take(world, f"station-{number:04}") for number in range(200))
        expected, spread = 2 * percent, (200 * percent * (100 - percent)) ** 0.5 / 100
        assert abs(taking - expected) <= 4 * spread
        assert states(world)[43] == ("SHADOW", "")

    def would_take(self, world: World, station: str) -> bool:
        with pytest.raises(_Undone) as undone:
            world.run(lambda tx, at: _take_and_undo(tx, station, at))
        return undone.value.taken


class _Undone(Exception):
    def __init__(self, taken: bool) -> None:
        self.taken = taken


def _take_and_undo(tx, station, at):  # type: ignore[no-untyped-def]
    raise _Undone(rule_slots.take_effect(tx, station, at))


def _with_percent(tx, percent, at_ms):  # type: ignore[no-untyped-def]
    newest = tx.bundles.newest_rollout()
    return replace(newest, serial=newest.serial + 1, percent=percent)


class TestWithdrawn:
    def test_an_active_bundle_goes_and_the_last_good_one_judges_again(self, world: World) -> None:
        staged(world, percent=100)
        assert sell(world, "R-1") == 3_000
        assert tell(world, word(world, 1, 43, withdrawn=True)).text.endswith("it is REJECTED here")
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "WITHDRAWN")}
        assert sell(world, "R-2") == 2_000
        assert ("BUNDLE_ROLLED_BACK", "bundle 2026-07 43") in world.alarms()

    def test_a_candidate_goes(self, world: World) -> None:
        staged(world)
        tell(world, word(world, 1, 43, withdrawn=True))
        assert states(world) == {42: ("ACTIVE", ""), 43: ("REJECTED", "WITHDRAWN")}

    def test_a_retired_one_judges_no_late_sale_any_more_and_is_not_gone_back_to(self, world: World) -> None:
        adopt(world, rules(43, points_minor=300, effective_ms=world.at_ms))
        late = world.fuel(10_000)
        world.wait(60)
        adopt(world, rules(44, points_minor=400, effective_ms=world.at_ms))
        tell(world, word(world, 1, 43, withdrawn=True))
        assert states(world) == {42: ("RETIRED", ""), 43: ("REJECTED", "WITHDRAWN"), 44: ("ACTIVE", "")}
        assert world.pay("R-1", late.amount_fen, credential=BASIC).points_minor == 2_000
        tell(world, word(world, 2, 44, withdrawn=True))
        assert states(world)[42] == ("ACTIVE", "")

    def test_the_only_bundle_stays_and_somebody_is_told_once(self, world: World) -> None:
        tell(world, word(world, 1, 42, withdrawn=True))
        tell(world, word(world, 2, 42, withdrawn=True))
        assert states(world) == {42: ("ACTIVE", "WITHDRAWN")}
        assert world.alarms()["BUNDLE_SUSPECT", "bundle 2026-07 42"] == 1
        assert sell(world, "R-1") == 2_000

    def test_before_it_comes_it_is_refused(self, world: World) -> None:
        tell(world, word(world, 1, 43, withdrawn=True))
        tell(world, word(world, 2, 43, 100))
        assert adopt(world, rules(43)).reason == "BUNDLE_WITHDRAWN"
        assert adopt(world, rules(44)).reason == ""

    def test_hq_is_told(self, world: World) -> None:
        staged(world, percent=100)
        tell(world, word(world, 1, 43, withdrawn=True))
        last = [(item.version, item.state, item.reason) for item in told(world)[-2:]]
        assert last == [(43, "REJECTED", "WITHDRAWN"), (42, "ACTIVE", "")]
