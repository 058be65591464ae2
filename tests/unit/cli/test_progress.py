"""Unit: is progress shown to people only, one bar for each stage?"""

import io
import sys

import pytest

from agent.cli.progress import progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nobody_watches_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress() as step:
        assert step is None


def test_a_terminal_sees_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress() as step:
        assert step is not None
        step("ledger", 1, 2)
        step("ledger", 2, 2)
        step("awards", 1, 4)
    assert "ledger" in screen.getvalue()
    assert "awards" in screen.getvalue()
