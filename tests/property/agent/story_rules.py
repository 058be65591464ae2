"""Rule bundles for short stories: the demo's rules, shortened, with points that live one month."""

from datetime import UTC, date, datetime

from tests.property.agent.naive_books import CHINA
from tests.world import BUNDLE

REGION = "530100"
FIRST_FILL = """
  [[ruleset.bonus]]
  id = "first-fill"
  minor = 3000
  period = "member_day"
  nth = [1]
  at_least_ml = 20000
"""
ROLLOUT = """
[rollout]
id = "r{version}"
percent = 100
shadow_sales = {shadow_sales}
least_sales = 20
declined_bp = 5000
mismatched = 1
crashes = 1
"""
DAY_CAPS_MINOR = (20_000, 50_000)


def rules(
    version: int,
    effective_from_ms: int,
    *,
    delay: str = "PT0S",
    day_cap_minor: int = 50_000,
    first_fill: bool = False,
    pause: tuple[date, date] | None = None,
    shadow_sales: int | None = None,
) -> bytes:
    """The demo's rules with these changes; points live one month, so that they lapse in a short story."""
    text = BUNDLE.read_text().partition("[grant]")[0]
    head, _, tail = text.partition("[risk.basic]")  # what nobody asks for here only takes time to read
    text = head + tail[tail.index("[reminder]") :]
    since = day_and_time(effective_from_ms)
    first, last = pause or (date(2026, 1, 1), date(2026, 1, 2))
    changes = {
        "version = 42": f"version = {version}",
        "2026-07-01T00:00:00+08:00": since,
        'after = "PT0S"': f'after = "{delay}"',
        'months = 18\nalign = "month_end"': 'months = 1\nalign = "none"',
        "from = 2026-08-01\nuntil = 2026-08-14": f"from = {first}\nuntil = {last}",
        '  scope = "member_day"\n  minor = 50000\n': f'  scope = "member_day"\n  minor = {day_cap_minor}\n'
        + (FIRST_FILL if first_fill else ""),
    }
    for old, new in changes.items():
        head, found, tail = text.partition(old)
        assert found, old
        text = head + new + tail
    if shadow_sales is not None:
        text += ROLLOUT.format(version=version, shadow_sales=shadow_sales)
    return text.encode()


def day_and_time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(CHINA).isoformat()
