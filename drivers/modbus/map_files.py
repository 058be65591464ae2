"""Where register maps come from: those that are shipped beside this file, or a site's own."""

from importlib import resources
from pathlib import Path

from drivers.modbus.maps import MapRefused, RegisterMap, parse_map

_MAPS = resources.files("drivers.modbus") / "maps"


def shipped_maps() -> tuple[str, ...]:
    """Names of the maps that come with the agent, sorted."""
    return tuple(sorted(f.name.removesuffix(".toml") for f in _MAPS.iterdir() if f.name.endswith(".toml")))


def load_map(name: str) -> RegisterMap:
    """A shipped map by its name, or a site's own file by a path that ends in `.toml`.

    Raises MapRefused.
    """
    if name.endswith(".toml"):
        return parse_map(name, _text_of(Path(name)))
    if name not in shipped_maps():
        known = ", ".join(shipped_maps())
        raise MapRefused(f"no map named {name!r}: use one of {known}, or the path of a .toml file")
    return parse_map(name, (_MAPS / f"{name}.toml").read_text("utf-8"))


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as refusal:
        raise MapRefused(f"{path}: cannot be read: {refusal}") from refusal
