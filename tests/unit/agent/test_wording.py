"""Unit: has every reason a sentence in both languages, and are points written exactly?"""

import ast
from pathlib import Path
from typing import get_args

import pytest

from agent.handlers import wording
from agent.handlers.site import Language
from agent.points.award import Reason

HANDLERS = Path(wording.__file__).parent


def reasons() -> set[str]:
    """Every reason code that a handler writes down: what `refused` and `sentence` are called with."""
    found = {reason for reason in get_args(Reason) if reason}
    for file in HANDLERS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                words = [
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                ]
                named = [
                    k.value.value
                    for k in node.keywords
                    if k.arg == "reason" and isinstance(k.value, ast.Constant)
                ]
                if node.func.id in ("refused", "sentence", "receipt"):
                    found.update(words)
                if node.func.id in ("Binding", "replace"):
                    found.update(str(reason) for reason in named if reason)
    return found | {"SALE_REFUNDED", "MEMBER_CLOSED", "WRONG_SCALE", "NO_RULES"}


def test_reasons_are_found() -> None:
    assert {"TOO_LATE", "NO_MEMBER", "TWO_MEMBERS", "REFUND_TOO_LARGE"} <= reasons()


@pytest.mark.parametrize("language", get_args(Language))
def test_every_reason_has_a_sentence(language: Language) -> None:
    for reason in sorted(reasons()):
        assert wording.sentence(reason, language, point="1", points="1", balance="1"), reason


@pytest.mark.parametrize(
    ("minor", "scale", "text"),
    [
        (14_400, 100, "144"),
        (9_998, 100, "99.98"),
        (5, 100, "0.05"),
        (0, 100, "0"),
        (-5, 100, "-0.05"),
        (-14_400, 100, "-144"),
        (144, 1, "144"),
        (1_005, 1_000, "1.005"),
    ],
)
def test_points_are_written_with_their_own_decimals(minor: int, scale: int, text: str) -> None:
    assert wording.points_text(minor, scale) == text
