"""Reads the settings: station.toml < systemd credentials < environment (the later one wins).

`load_settings` is the only door. Whatever is wrong comes back as a value with one line per
problem; nothing here prints, logs or ends the process.
"""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretBytes, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from config.combinations import combination_problems
from config.fields import decode_key
from config.refusal import EXAMPLE, ConfigRefused, Problem, dotted, problem_of, refusal, unknown_key
from config.settings import Settings, Table, table_of

PREFIX = "FORECOURT_"
NESTED = "__"
SECRETS = ("credential_key_k1", "station_key")
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), set by LoadCredential=

State = Mapping[str, Any]
"""What one source says, as nested tables."""

_Naming = Callable[[Sequence[int | str]], str]
"""How a source names the setting at a location."""


class _Sources(Settings, BaseSettings):
    """The settings as pydantic-settings wants to see them; only its sources are used, never itself."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=NESTED)


def load_settings(path: Path, *, secrets_needed: bool = False) -> Settings | ConfigRefused:
    """The settings of the file at `path`, with credentials and environment laid over it.

    `secrets_needed`: fill in `credential_key_k1` or refuse (the service needs it, most commands do
    not and may not read it). Files that settings name are checked for being there, not for being right.
    """
    states = [_file_state(path), _state(_credentials, "credentials"), _state(_environment, "environment")]
    unreadable = [state for state in states if isinstance(state, Problem)]
    if unreadable:
        return refusal(unreadable)
    return _settled([state for state in states if not isinstance(state, Problem)], path, secrets_needed)


def _settled(states: Sequence[State], path: Path, secrets_needed: bool) -> Settings | ConfigRefused:
    problems = [*_secrets_in_file(states[0], path), *_strange_variables(), *_strange_credentials()]
    try:
        settings = Settings.model_validate(_overlaid(states))
    except ValidationError as error:
        return refusal([*problems, *_validation_problems(error, states, path)])
    problems += [*combination_problems(settings, str(path)), *_missing_files(settings, path)]
    if problems:
        return refusal(problems)
    return _with_key(settings, path) if secrets_needed else settings


def _file_state(path: Path) -> State | Problem:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return Problem("FILE_MISSING", str(path), "", "there is no such file", f"make one, {EXAMPLE}")
    except OSError as error:
        remedy = "let the group forecourt read it: chgrp forecourt and chmod 640"
        return Problem("FILE_UNREADABLE", str(path), "", f"cannot be read: {error.strerror}", remedy)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text (byte {error.start + 1})"
        return Problem("FILE_NOT_TOML", str(path), "", reason, "save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        return Problem("FILE_NOT_TOML", str(path), "", f"is not TOML: {error}", "correct it there")


def _credentials() -> State:
    directory = os.environ.get(CREDENTIALS_DIRECTORY)
    if directory is None:
        return {}
    files = SecretsSettingsSource(_Sources, secrets_dir=directory)
    source = NestedSecretsSettingsSource(files, secrets_dir_missing="error", secrets_prefix="")
    return source()


def _environment() -> State:
    return EnvSettingsSource(_Sources)()


def _state(read: Callable[[], State], source: str) -> State | Problem:
    try:
        return read()
    except UnicodeDecodeError:
        return Problem("VALUE_WRONG", source, "", "one of them is not text", "encode it in base64url")
    except (SettingsError, OSError) as error:
        remedy = "a list or a whole table must be one JSON value"
        reason = str(error).split(" from source")[0]
        return Problem("VALUE_WRONG", source, "", f"cannot be used: {reason}", remedy)


def _overlaid(states: Sequence[State]) -> dict[str, Any]:
    """Later states win; tables are merged key by key, everything else is replaced."""
    merged: dict[str, Any] = {}
    for state in states:
        for key, value in state.items():
            both_are_tables = isinstance(merged.get(key), Mapping) and isinstance(value, Mapping)
            merged[key] = _overlaid([merged[key], value]) if both_are_tables else value
    return merged


def _validation_problems(error: ValidationError, states: Sequence[State], path: Path) -> Iterator[Problem]:
    sources: tuple[_Naming, ...] = (lambda _: str(path), _credential_name, _variable_name)
    errors = error.errors(include_url=False, include_input=False)
    for details in errors:
        location = details["loc"]
        if details["type"] == "too_short" and any(_is_inside(other["loc"], location) for other in errors):
            continue  # pydantic also counts a refused entry as a missing one
        said_by = [name for state, name in zip(states, sources, strict=True) if _says(state, location)]
        source = said_by[-1](location) if said_by else str(path)
        yield problem_of(details, source, _neighbours(location))


def _is_inside(location: Sequence[int | str], outer: Sequence[int | str]) -> bool:
    return len(location) > len(outer) and location[: len(outer)] == outer


def _says(state: State, location: Sequence[int | str]) -> bool:
    inner: Any = state
    try:
        for part in location:
            inner = inner[part]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _variable_name(location: Sequence[int | str]) -> str:
    """The variable that said it, or one of those that did: its name may be shorter or longer than the key."""
    spelt = PREFIX + NESTED.join(map(str, location)).upper()
    related = [n for n in sorted(os.environ) if _is_within(n.upper(), spelt) or _is_within(spelt, n.upper())]
    assert related, "a value said to come from the environment has a variable"
    return f"variable {related[0]}"


def _is_within(name: str, outer: str) -> bool:
    return name == outer or name.startswith(outer + NESTED)


def _credential_name(location: Sequence[int | str]) -> str:
    return "credential " + NESTED.join(map(str, location))


def _neighbours(location: Sequence[int | str]) -> list[str]:
    table: type[Table] | None = Settings
    for part in location[:-1]:
        if table is not None and isinstance(part, str):
            table = table_of(table.model_fields[part]) if part in table.model_fields else None
    return [key for key in table.model_fields if key not in SECRETS] if table else []


def _secrets_in_file(state: State, path: Path) -> Iterator[Problem]:
    for name in SECRETS:
        if name in state:
            remedy = f"take it out and give it as the systemd credential {name} (systemd/README.md)"
            yield Problem("SECRET_IN_FILE", str(path), name, "a secret does not belong in this file", remedy)


def _strange_variables() -> Iterator[Problem]:
    for name in sorted(os.environ):
        key, *_ = name.lower().removeprefix(PREFIX.lower()).split(NESTED)
        if name.upper().startswith(PREFIX) and key not in Settings.model_fields:
            yield unknown_key(f"variable {name}", "", key, Settings.model_fields)


def _strange_credentials() -> Iterator[Problem]:
    """A credential with a dot in its name is a file that other settings point at, not a setting."""
    directory = os.environ.get(CREDENTIALS_DIRECTORY)
    for name in sorted(os.listdir(directory)) if directory else ():
        key, *_ = name.lower().split(NESTED)
        if "." not in name and key not in Settings.model_fields:
            yield unknown_key(f"credential {name}", "", key, Settings.model_fields)


def _missing_files(settings: Settings, path: Path) -> Iterator[Problem]:
    for key in ("ca_file", "cert_file", "key_file"):
        file: Path | None = getattr(settings.hq, key)
        if file is not None and _is_missing(file):
            remedy = "put it there or correct the path"
            yield Problem("FILE_MISSING", str(path), dotted(("hq", key)), f"there is no file {file}", remedy)


def _is_missing(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # not ours to look at: the service, whose file it is, will see
    return False


def _with_key(settings: Settings, path: Path) -> Settings | ConfigRefused:
    if settings.credential_key_k1 is not None:
        return settings
    file = settings.credential_key_k1_file
    if file is None:
        remedy = "give it as a systemd credential (systemd/README.md)"
        missing = Problem("SECRET_MISSING", "credentials", SECRETS[0], "is missing", remedy)
        return refusal([missing])
    try:
        key = decode_key(file.read_text())
    except (OSError, ValueError) as error:
        reason = f"{file} cannot be used: {error}"
        return refusal([Problem("SECRET_MISSING", str(path), "credential_key_k1_file", reason, EXAMPLE)])
    return settings.model_copy(update={"credential_key_k1": SecretBytes(key)})
