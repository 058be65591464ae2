"""The local control socket: JSON lines, one request, one answer (decisions.md 10).

Who may ask is decided by the file's group, 0660. A client that is slow or talks nonsense is cut
off; it never holds up the station.
"""

import json
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

Verb = Callable[[Mapping[str, object]], Mapping[str, object]]
"""One request's arguments → the answer's fields. Refusals carry `reason` and `text`."""

LINE_LIMIT_BYTES = 64 * 1024 * 1024
"""A member snapshot comes through here: 100,000 members are about 15 MB, base64 makes it 20."""
PATIENCE_S = 2.0
"""How long a client may pause."""
REQUEST_MS = 10_000
"""How long a whole request may take: one byte at a time must not keep everybody else waiting."""
_CHUNK = 65536


class Control:
    """Serves one client after another on its own thread. `refused` counts what was no request, by code."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb], monotonic_ms: Callable[[], int]) -> None:
        self._path = path
        self._verbs = verbs
        self._monotonic_ms = monotonic_ms
        self.ticked_ms = monotonic_ms()
        self.refused: Counter[str] = Counter()

    def run(self, stop: threading.Event) -> None:
        with _listening(self._path) as server:
            server.settimeout(1.0)
            while not stop.is_set():
                self.ticked_ms = self._monotonic_ms()
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                with client:
                    self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE_S)
        try:
            line = self._read_line(client)
            answer = self._turn_down("TOO_SLOW_OR_LONG") if line is None else self._answer(line)
            client.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
        except OSError:
            self.refused["CLIENT_GONE"] += 1  # away or too slow: its loss alone

    def _read_line(self, client: socket.socket) -> bytes | None:
        """Until the newline, or until the client has said all; None past a limit of size or time."""
        parts: list[bytes] = []
        size, until_ms = 0, self._monotonic_ms() + REQUEST_MS
        while size < LINE_LIMIT_BYTES and self._monotonic_ms() < until_ms:
            part = client.recv(_CHUNK)
            self.ticked_ms = self._monotonic_ms()
            parts.append(part)
            size += len(part)
            if not part or part.endswith(b"\n"):
                return b"".join(parts)
        return None

    def _answer(self, line: bytes) -> Mapping[str, object]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return self._turn_down("NOT_JSON")
        verb = request.get("verb") if isinstance(request, dict) else None
        if not isinstance(verb, str) or verb not in self._verbs:
            return self._turn_down("UNKNOWN_VERB")
        return self._verbs[verb](request)

    def _turn_down(self, reason: str) -> Mapping[str, object]:
        self.refused[reason] += 1
        text = f"send one JSON object on one line, with one of the verbs {', '.join(sorted(self._verbs))}"
        return refusal(reason, text)


def refusal(reason: str, text: str) -> Mapping[str, object]:
    return {"ok": False, "reason": reason, "text": text}


def _listening(path: Path) -> socket.socket:
    """A socket at `path`; one left over from a killed agent is replaced (the state lock keeps us single)."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        server.bind(str(path))
        os.chmod(path, 0o660)
        server.listen(8)
    except OSError:
        server.close()
        raise
    return server
