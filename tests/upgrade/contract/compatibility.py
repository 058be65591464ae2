"""What a newer JSON Schema would refuse, or understand otherwise, of what an older one allowed.

Fields may be added if they can be left out, and limits may be widened. Anything else is a break: the
other end may be of the older version for years. What this cannot judge, it reports.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_ANNOTATIONS = {"title", "description", "examples", "$defs", "$schema", "$ref"}
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_JUDGED = {
    *("type", "enum", "const", "anyOf", "properties", "required", "additionalProperties"),
    *("items", "prefixItems", "propertyNames", *_LOWER_BOUNDS, *_UPPER_BOUNDS),
}


def removed(old: dict[str, Schema], new: dict[str, Schema]) -> list[str]:
    """Messages that are no longer there."""
    return sorted(set(old) - set(new))


def breaks(old: Schema, new: Schema) -> list[str]:
    """Where `new` is narrower than `old`, one line each; empty where everything old still passes."""
    return list(_Comparison(old, new).of(old, new, "$"))


class _Comparison:
    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self._old_root, self._new_root = old_root, new_root

    def of(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        old, new = _resolved(old, self._old_root), _resolved(new, self._new_root)
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(old, new, at)
            return
        yield from _types(old, new, at)
        yield from _values(old, new, at)
        yield from _bounds(old, new, at)
        yield from self._fields(old, new, at)
        yield from self._entries(old, new, at)
        for keyword in sorted((set(old) | set(new)) - _JUDGED - _ANNOTATIONS):
            if keyword in new and old.get(keyword) != new[keyword]:
                yield f"{at}: {keyword} {old.get(keyword)!r} became {new[keyword]!r}"
            if keyword == "default" and keyword not in new:
                yield f"{at}: what stands for a left-out value is gone"

    def _alternatives(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """Each old one must fit into some new one."""
        now = new.get("anyOf", [new])
        for number, before in enumerate(old.get("anyOf", [old])):
            if all(any(True for _ in self.of(before, after, at)) for after in now):
                yield f"{at}: alternative {number} is gone or narrower"
        if ("default" in old or "default" in new) and old.get("default", _NONE) != new.get("default", _NONE):
            yield f"{at}: default {old.get('default')!r} became {new.get('default')!r}"

    def _fields(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name in after:
                yield from self.of(before[name], after[name], f"{at}.{name}")
            else:
                yield f"{at}.{name}: removed"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{at}.{name}: must be given now"
        yield from self._others(old, new, at)
        if "propertyNames" in new:
            yield from self.of(old.get("propertyNames", {}), new["propertyNames"], f"{at} names")

    def _others(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if after is True or before is False:
            return
        if after is False:
            yield f"{at}: other names are refused now"
        else:
            yield from self.of({} if before is True else before, after, f"{at}.*")

    def _entries(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        before, after = old.get("prefixItems"), new.get("prefixItems")
        if (before is None) != (after is None) or len(before or ()) != len(after or ()):
            yield f"{at}: has other places"
        else:
            for place, (was, now) in enumerate(zip(before or (), after or (), strict=True)):
                yield from self.of(was, now, f"{at}[{place}]")
        if "items" in new:
            yield from self.of(old.get("items", {}), new["items"], f"{at}[]")


_NONE = object()


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Without a reference; what stands beside one (a default) counts too."""
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        schema = root["$defs"][name] | beside
    return schema


def _types(old: Schema, new: Schema, at: str) -> Iterator[str]:
    if "type" in new and old.get("type") != new["type"] and (old.get("type"), new["type"]) != _WIDER:
        yield f"{at}: {old.get('type', 'anything')} became {new['type']}"


_WIDER = ("integer", "number")


def _values(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = _listed(old), _listed(new)
    if after is None:
        return
    if before is None:
        yield f"{at}: only listed values now"
    else:
        for value in before:
            if value not in after:
                yield f"{at}: {value!r} is no longer known"


def _listed(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _bounds(old: Schema, new: Schema, at: str) -> Iterator[str]:
    for keyword in _LOWER_BOUNDS:
        if keyword in new and (keyword not in old or old[keyword] < new[keyword]):
            yield f"{at}: {keyword} {old.get(keyword)} became {new[keyword]}"
    for keyword in _UPPER_BOUNDS:
        if keyword in new and (keyword not in old or old[keyword] > new[keyword]):
            yield f"{at}: {keyword} {old.get(keyword)} became {new[keyword]}"
