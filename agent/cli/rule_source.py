"""Where a rule bundle of the command line is from: a file, this station's books, or the shipped sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.exits import Exit
from agent.cli.render import fail
from agent.cli.station import database_of, database_path, settings_of

if TYPE_CHECKING:
    from agent.points.rules import Bundle


@dataclass(frozen=True, slots=True)
class Source:
    """A bundle, and words that say where it is from."""

    bundle: "Bundle"
    origin: str

    @property
    def headline(self) -> str:
        return f"bundle {self.bundle.bundle} version {self.bundle.version}, {self.origin}"

    @property
    def named(self) -> dict[str, object]:
        return {"bundle": self.bundle.bundle, "version": self.bundle.version, "origin": self.origin}


def named_source(name: str, config: Path, *, json_output: bool = False) -> Source:
    """What a person calls a bundle: a file, or the number of a version that this station has received."""
    path = Path(name)
    if not name.isdecimal() or path.exists():
        return Source(parsed(path, json_output=json_output), f"from {name}")
    from agent.store.bundles import Bundles

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        stored = Bundles(connection).get(int(name))
        if stored is None:
            text = f"this station never received version {name}; `forecourt rules status` lists what it has"
            fail(Exit.REFUSED, "VERSION_UNKNOWN", text, json_output=json_output)
        return Source(Bundles(connection).parsed(stored.version), f"{stored.state} at this station")


def in_force(config: Path, at_ms: int, *, json_output: bool = False) -> Source:
    """The station's bundle; the shipped sample where there is no station, or no bundle has come yet."""
    from agent.store.bundles import Bundles

    why = f"there is no {config}"
    if config.exists():
        settings = settings_of(config, json_output=json_output)
        path = database_path(settings)
        why = f"there is no {path}"
        if path.exists():
            with database_of(settings, json_output=json_output) as connection:
                bundle = Bundles(connection).in_force(at_ms)
            if bundle is not None:
                return Source(bundle, "in force at this station")
            why = "this station has no bundle in force"
    return Source(parsed(_sample(), json_output=json_output), f"the shipped sample, because {why}")


def parsed(path: Path, *, json_output: bool = False) -> "Bundle":
    """The bundle in a file; the command ends if it is none."""
    from agent.points.rules import BundleRefused, parse_bundle

    bundle = parse_bundle(read(path, json_output=json_output))
    if isinstance(bundle, BundleRefused):
        text = f"{path}: {bundle.where}: {bundle.remedy}"
        fail(Exit.REFUSED, bundle.reason, text, json_output=json_output)
    return bundle


def read(path: Path, *, json_output: bool = False) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fail(Exit.REFUSED, "BUNDLE_FILE", f"{path}: {error.strerror}", json_output=json_output)


def _sample() -> Path:
    import config

    return Path(str(config.__file__)).parent / "samples" / "demo-cn.bundle.toml"
