"""Unit: does every start draw its own jitter, and know which start of the machine it belongs to?"""

import re

from agent.identity import boot_id, jitter_source


def test_two_starts_do_not_jitter_in_step() -> None:
    draws = {tuple(jitter_source().randrange(1_000_000) for _ in range(4)) for _ in range(8)}
    assert len(draws) == 8


def test_the_start_of_the_machine_has_one_name_until_the_next() -> None:
    assert re.fullmatch(r"[0-9a-f-]{36}", boot_id())
    assert boot_id() == boot_id()
