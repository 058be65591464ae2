"""The four import names belong to us alone (decisions.md 11)."""

import json
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent.health.findings import Finding, Part, doubt, failure, fine

OURS = ("agent", "drivers", "sync", "config")
DISTRIBUTION = "forecourt-agent"


def package_names(origin_of: Callable[[str], Path | None] | None = None) -> Finding:
    """Whether every name is imported from where forecourt-agent was installed."""
    home = _home()
    if home is None:
        return doubt(Part.STATION, "package names", "NOT_INSTALLED", f"{DISTRIBUTION} is not installed")
    for name in OURS:
        origin = (origin_of or _origin)(name)
        if origin is None or origin.parent.parent != home:
            evidence = f"{name} comes from {origin}, not from {home}"
            return failure(Part.STATION, "package names", "NAME_TAKEN", evidence)
    return fine(Part.STATION, "package names", f"{', '.join(OURS)} are ours, in {home}")


def _origin(name: str) -> Path | None:
    spec = util.find_spec(name)
    return Path(spec.origin).resolve() if spec and spec.origin else None


def _home() -> Path | None:
    """The folder that holds our packages: site-packages, or the source tree of an editable install."""
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None
    written = distribution.read_text("direct_url.json")
    direct = json.loads(written) if written else {}
    if direct.get("dir_info", {}).get("editable"):
        return Path(unquote(urlsplit(direct["url"]).path)).resolve()
    return Path(str(distribution.locate_file(""))).resolve()
