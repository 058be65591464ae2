"""How long ago headquarters said that it has our rows: the health of the whole road, both ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.health.findings import Finding, Part, doubt, failure, fine

_NAME = "headquarters"
_ONLINE = "online"


def from_status(road: Mapping[str, Any] | None, queues: Sequence[Mapping[str, Any]]) -> Finding:
    """`road` and `queues` as the running agent's status has them."""
    waiting = _waiting(queues)
    if road is None:
        return doubt(Part.HQ, _NAME, "HQ_WAITING", f"the agent has just started, {waiting}")
    if road["halted"]:
        stopped = "; ".join(f"{stream}: {why}" for stream, why in road["halted"].items())
        return failure(Part.HQ, _NAME, "STREAM_HALTED", f"{stopped}, {waiting}")
    age_ms = road["hq_age_ms"]
    heard = "it was never heard" if age_ms is None else f"its last signed word is {age_ms // 1000} s old"
    if road["mode"] != _ONLINE:
        trouble = f", {road['trouble']}" if road["trouble"] else ""
        return failure(Part.HQ, _NAME, "HQ_SILENT", f"{heard}, {waiting}{trouble}")
    return fine(Part.HQ, _NAME, f"{heard}, {waiting}")


def from_database(queues: Sequence[Mapping[str, Any]], wall_ms: int) -> Finding:
    """From the rows, while the agent does not run."""
    acked_at = [queue["acked_at_ms"] for queue in queues if queue["acked_at_ms"] is not None]
    heard = f"its last acknowledgement is {(wall_ms - max(acked_at)) // 1000} s old" if acked_at else ""
    evidence = f"{heard or 'it never acknowledged anything'}, {_waiting(queues)}"
    if any(queue["waiting"] for queue in queues):
        return doubt(Part.HQ, _NAME, "HQ_WAITING", evidence)
    return fine(Part.HQ, _NAME, evidence)


def _waiting(queues: Sequence[Mapping[str, Any]]) -> str:
    rows = sum(queue["waiting"] for queue in queues)
    oldest = [queue["oldest_waiting_ms"] for queue in queues if queue["waiting"]]
    return f"{rows} rows wait, the oldest {max(oldest) // 1000} s" if oldest else "no row waits"
