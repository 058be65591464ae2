"""House: are clocks and chance read only where they may be, so that time and luck can be simulated?"""

import pytest

from tests.house.clock_rules import ALLOWED, clocks_and_chance
from tests.house.sources import PACKAGES, Source, python_sources


def test_clocks_and_chance_are_passed_in() -> None:
    assert [found for source in python_sources(*PACKAGES) for found in clocks_and_chance(source)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.monotonic()",
        "import time as t\nread = t.time_ns",
        "from time import monotonic as m\nm()",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "from datetime import datetime\ndatetime.utcnow()",
        "from datetime import date\ndate.today()",
        "import random\nrandom.random()",
        "from random import choice\nchoice([1])",
        "import random\nrandom.Random()",
        "from random import Random\nRandom()",
        "import random\nrandom.SystemRandom()",
        "import secrets\nsecrets.token_bytes(4)",
        "import os\nos.urandom(8)",
        "from uuid import uuid4\nuuid4()",
    ],
)
def test_the_rule_can_fail(text: str) -> None:
    assert list(clocks_and_chance(Source("agent/planted.py", text))) != []
    assert list(clocks_and_chance(Source(ALLOWED[0], text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)",
        "import random\ndef wait(chance: random.Random) -> int:\n    return chance.randrange(3)",
        "import random\nrandom.Random(7)",
        "def now(clock):\n    return clock.monotonic()",
    ],
)
def test_the_rule_can_pass(text: str) -> None:
    assert list(clocks_and_chance(Source("agent/planted.py", text))) == []
