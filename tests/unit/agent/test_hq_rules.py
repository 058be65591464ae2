"""Unit: which rules does a worker of headquarters know, and how often does it ask for unpublished ones?"""

from pathlib import Path

import pytest

from agent.cli.hq_rules import LOOK_AGAIN_MS, MOST_MISSES, PublishedRules
from agent.points.rules import Bundle, parse_bundle
from sync.keys import SigningKey
from sync.signing import BUNDLE_TYPE, sign_document
from tests.house.sources import ROOT

PAYLOAD = Path(ROOT / "config" / "samples" / "demo-cn.bundle.toml").read_bytes()
DOCUMENT = sign_document(BUNDLE_TYPE, PAYLOAD, SigningKey(b"H" * 32))
NAME = ("2026-07", 42)


class Shelf:
    """What was published, a clock, and every question that was asked."""

    def __init__(self) -> None:
        self.published: dict[tuple[str, int], bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.now_ms = 1_000

    def rules(self, given: dict[tuple[str, int], Bundle] | None = None) -> PublishedRules:
        return PublishedRules(given or {}, self.document, lambda: self.now_ms)

    def document(self, name: str, version: int) -> bytes | None:
        self.asked.append((name, version))
        return self.published.get((name, version))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_what_was_published_is_read_once_and_kept(shelf: Shelf) -> None:
    rules = shelf.rules()
    shelf.published[NAME] = DOCUMENT
    assert rules[NAME] == parse_bundle(PAYLOAD)
    assert rules.get(NAME) is rules[NAME]
    assert shelf.asked == [NAME]
    assert (list(rules), len(rules)) == ([NAME], 1)


def test_what_was_given_at_the_start_is_not_asked_for(shelf: Shelf) -> None:
    given = parse_bundle(PAYLOAD)
    assert isinstance(given, Bundle)
    assert shelf.rules({NAME: given})[NAME] is given
    assert shelf.asked == []


def test_a_miss_is_asked_for_again_only_after_a_while_and_then_found(shelf: Shelf) -> None:
    rules = shelf.rules()
    for _ in range(100):
        assert rules.get(NAME) is None
    assert len(shelf.asked) == 1
    shelf.published[NAME] = DOCUMENT
    shelf.now_ms += LOOK_AGAIN_MS - 1
    assert rules.get(NAME) is None
    shelf.now_ms += 1
    assert rules[NAME].version == 42
    assert len(shelf.asked) == 2


def test_who_names_unknown_rules_all_day_fills_no_memory(shelf: Shelf) -> None:
    rules = shelf.rules()
    for version in range(10 * MOST_MISSES):
        assert rules.get(("nobody's", version)) is None
    assert len(rules._missed) <= MOST_MISSES
