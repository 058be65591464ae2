"""What another bundle changes, rule by rule, in the sentences of both."""

from dataclasses import dataclass

from agent.cli.rule_sentences import Told, told_rules
from agent.points.rules import Bundle

_ORDERED = ("base", "modifier", "cap")
"""Kinds of rules whose order decides: the first base rule that names a product, caps one after another."""


@dataclass(frozen=True, slots=True)
class Change:
    """A rule with the same key in both bundles."""

    key: tuple[str, ...]
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Changes:
    """`kept_count` counts the sentences that stay; `reordered` names rules that only changed places."""

    added: tuple[Told, ...]
    removed: tuple[Told, ...]
    changed: tuple[Change, ...]
    reordered: tuple[str, ...]
    kept_count: int

    @property
    def any(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.reordered)


def changes(old: Bundle, new: Bundle) -> Changes:
    """From `old` to `new`, in the order of the new bundle."""
    before = {told.key: told.sentence for told in told_rules(old)}
    after = {told.key: told.sentence for told in told_rules(new)}
    both = [key for key in after if key in before]
    return Changes(
        added=tuple(Told(key, said) for key, said in after.items() if key not in before),
        removed=tuple(Told(key, said) for key, said in before.items() if key not in after),
        changed=tuple(Change(key, before[key], after[key]) for key in both if before[key] != after[key]),
        reordered=tuple(_reordered(list(before), list(after))),
        kept_count=sum(before[key] == after[key] for key in both),
    )


def _reordered(before: list[tuple[str, ...]], after: list[tuple[str, ...]]) -> list[str]:
    """Such as "rules in force, base: b, a" where a stood before b."""
    found = []
    for place in dict.fromkeys(key[:2] for key in after if len(key) == 3 and key[1] in _ORDERED):
        old_names = [key[2] for key in before if key[:2] == place and key in after]
        new_names = [key[2] for key in after if key[:2] == place and key in before]
        if old_names != new_names:
            found.append(f"{', '.join(place)}: {', '.join(new_names)}")
    return found
