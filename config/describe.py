"""Writes what people read about the settings from the models themselves; a test keeps the files fresh.

`python -m config.describe` rewrites config/station.example.toml and the table in config/README.md.
"""

import json
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretBytes
from pydantic.fields import FieldInfo

from config.settings import Settings, Table, table_of

HERE = Path(__file__).parent
EXAMPLE_FILE = HERE / "station.example.toml"
README_FILE = HERE / "README.md"
TABLE_BEGIN = "<!-- settings table: written by python -m config.describe -->\n"
TABLE_END = "<!-- end of the settings table -->\n"

SECRET_OPTIONS = frozenset({"security_code"})
"""Options of devices that nobody is shown; which driver has them is not known here."""

_HEAD = """\
# The settings of one station: copy to /etc/forecourt/station.toml and change what differs.
# A line that begins with '#' shows a default or something optional.
# Secrets do not belong here: they are systemd credentials (config/README.md).
"""


def example_toml() -> str:
    """An example that loads once its files exist: required settings set, defaults shown as comments."""
    return "\n".join([_HEAD, *_table_lines(Settings, "")]).rstrip() + "\n"


def _table_lines(table: type[Table], path: str) -> Iterator[str]:
    plain = {name: field for name, field in table.model_fields.items() if table_of(field) is None}
    for name, field in plain.items():
        if not is_secret(field):
            yield f"# {_sentence(field)}"
            yield _setting_line(name, field)
    for name, field in table.model_fields.items():
        inner = table_of(field)
        if inner is not None:
            inner_path = f"{path}{name}"
            is_optional = _is_list(field) and not field.is_required()
            yield ""
            yield f"# {_sentence(field)}"
            head = f"[[{inner_path}]]" if _is_list(field) else f"[{inner_path}]"
            lines = (head, *_table_lines(inner, f"{inner_path}."))
            yield from map(_as_comment, lines) if is_optional else lines


def _as_comment(line: str) -> str:
    """An optional table is shown, and not set."""
    return line if line.startswith("#") or not line else f"# {line}"


def _sentence(field: FieldInfo) -> str:
    return (field.description or "").strip()


def _setting_line(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return f"{name} = {_toml((field.examples or [None])[0])}"
    shown = field.examples[0] if field.examples else field.get_default(call_default_factory=True)
    return f"# {name} = {_toml(shown if shown is not None else '/path/to/file')}"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
            if value
            else "{}"
        )
    if isinstance(value, Path):
        return json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False)  # TOML's strings, numbers, booleans and lists are JSON's


def settings_table() -> str:
    """The Markdown table of every setting: key, type, default, meaning."""
    rows = ["| Setting | Type | Default | Meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{key}` | {_type(field)} | {_default(field)} | {_sentence(field)} |"
        for key, field in every_setting()
    ]
    return "\n".join(rows) + "\n"


def every_setting(table: type[Table] = Settings, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every plain setting with its dotted path; the tables of a list are written `line[]`."""
    for name, field in table.model_fields.items():
        inner = table_of(field)
        if inner is None:
            yield path + name, field
        else:
            yield from every_setting(inner, f"{path}{name}{'[]' if _is_list(field) else ''}.")


def is_secret(field: FieldInfo) -> bool:
    """True for settings whose value is never shown."""
    return "SecretBytes" in str(field.annotation)


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    return "none" if default is None else f"`{_toml(default)}`"


def _type(field: FieldInfo) -> str:
    return f"{_type_name(field.annotation)}{_bounds(field)}"


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{_toml(value)}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return _type_name(next(kind for kind in arguments if kind is not type(None)))
    if hasattr(annotation, "__metadata__"):
        return _type_name(arguments[0])
    names = {
        int: "integer",
        str: "text",
        bool: "true or false",
        Path: "path",
        SecretBytes: "32 bytes, base64url or hex",
    }
    return {tuple: "list of texts", dict: "table"}.get(origin) or names[annotation]


def _bounds(field: FieldInfo) -> str:
    low = next((item.ge for item in field.metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in field.metadata if hasattr(item, "le")), None)
    return "" if low is None else f", {low} to {high}"


def readme_with_table(readme: str) -> str:
    """`readme` with a fresh table between its two markers. A readme without markers is our own mistake."""
    head, rest = readme.split(TABLE_BEGIN)
    return head + TABLE_BEGIN + settings_table() + TABLE_END + rest.split(TABLE_END)[1]


def shown(settings: Settings) -> dict[str, Any]:
    """The settings for a person or a machine to read: JSON values, secrets only as "set" or "not set"."""
    values = settings.model_dump(mode="json", exclude=_secret_names())
    for line in values["line"]:
        for device in line["device"]:
            device["options"] |= dict.fromkeys(SECRET_OPTIONS & device["options"].keys(), "set")
    secrets = {
        name: "not set" if getattr(settings, name) is None else "set" for name in sorted(_secret_names())
    }
    return values | secrets


def _secret_names() -> set[str]:
    return {name for name, field in Settings.model_fields.items() if is_secret(field)}


if __name__ == "__main__":
    EXAMPLE_FILE.write_text(example_toml())
    README_FILE.write_text(readme_with_table(README_FILE.read_text()))
