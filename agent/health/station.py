"""The agent itself: does it run, and may we ask it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.health.findings import Finding, Part, failure, fine

_NAME = "agent"


def socket_is_closed_to_us(path: Path) -> Finding | None:
    """A finding if a socket is there and its group or mode keeps us out."""
    if path.is_socket() and not os.access(path, os.W_OK):
        return failure(Part.STATION, _NAME, "SOCKET_FORBIDDEN", f"{path} may not be written to")
    return None


def agent_process(status: Mapping[str, Any] | None, path: Path) -> Finding:
    """`status` is the running agent's answer on the socket at `path`, None if there was none."""
    if status is None:
        return failure(Part.STATION, _NAME, "AGENT_NOT_RUNNING", f"nobody answers on {path}")
    return fine(Part.STATION, _NAME, f"{status['version']}, process {status['pid']}, {status['mode']}")
