"""House: is every setting explained, and are the generated example and table fresh?"""

import re

from pydantic import Field

from config import describe
from config.settings import Settings, Table
from tests.house.sources import python_sources


def _unexplained(table: type[Table]) -> list[str]:
    return [key for key, field in describe.every_setting(table) if len(field.description or "") < 10]


def test_every_setting_says_what_it_is() -> None:
    assert _unexplained(Settings) == []


def test_every_required_setting_has_an_example() -> None:
    required = [(key, field) for key, field in describe.every_setting() if field.is_required()]
    assert [key for key, field in required if not field.examples] == []


def test_the_example_is_fresh() -> None:
    assert describe.EXAMPLE_FILE.read_text(encoding="utf-8") == describe.example_toml(), "make generated"


def test_the_table_in_the_readme_is_fresh() -> None:
    readme = describe.README_FILE.read_text(encoding="utf-8")
    assert readme == describe.readme_with_table(readme), "make generated"


def test_every_reason_code_is_documented() -> None:
    readme = describe.README_FILE.read_text(encoding="utf-8")
    codes = {
        code
        for source in python_sources("config")
        for code in re.findall(r'"((?:FILE|KEY|TYPE|VALUE|COMBINATION|SECRET)_[A-Z_]+)"', source.text)
    }
    assert len(codes) >= 8
    assert {code for code in codes if f"`{code}`" not in readme} == set()


def test_secrets_are_not_in_the_example() -> None:
    example = describe.example_toml()
    assert not re.search(r"^#? ?(credential_key_k1|station_key) =", example, re.MULTILINE)


def test_the_rules_can_fail() -> None:
    class Planted(Table):
        window: int = 3
        speed: int = Field(default=3, description="how fast it goes")

    assert _unexplained(Planted) == ["window"]
    stale = describe.readme_with_table(describe.README_FILE.read_text()).replace("hq.window", "hq.windows")
    assert stale != describe.readme_with_table(stale)
