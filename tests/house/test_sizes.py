"""House: does the report of long files and functions see them?"""

from tests.house.sizes import long_pieces, report
from tests.house.sources import Source


def test_the_report_sees_what_is_long() -> None:
    body = "    pass\n" * 60
    found = list(long_pieces(Source("agent/planted.py", f"def long():\n{body}" + "x = 1\n" * 300)))
    assert [where for _, where in found] == ["agent/planted.py", "agent/planted.py:1: long"]
    assert list(long_pieces(Source("agent/planted.py", "def short():\n    pass\n"))) == []


def test_the_report_can_be_made() -> None:
    assert report().startswith("files over 300 lines")
