"""Unit: does every start draw its own jitter?"""

from agent.identity import jitter_source


def test_two_starts_do_not_jitter_in_step() -> None:
    draws = {tuple(jitter_source().randrange(1_000_000) for _ in range(4)) for _ in range(8)}
    assert len(draws) == 8
