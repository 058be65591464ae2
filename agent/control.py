"""The local control socket: JSON lines, one request, one answer (decisions.md 10).

Who may ask is decided by the file's group, 0660. A client that is slow or talks nonsense is cut
off; it never holds up the station.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

Verb = Callable[[Mapping[str, object]], Mapping[str, object]]
"""One request's arguments → the answer's fields. Refusals carry `reason` and `text`."""

LINE_LIMIT_BYTES = 64 * 1024 * 1024
"""A member snapshot comes through here: 100,000 members are about 15 MB, base64 makes it 20."""
PATIENCE_S = 2.0
_CHUNK = 65536


class Control:
    """Serves one client after another on its own thread."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb], monotonic_ms: Callable[[], int]) -> None:
        self._path = path
        self._verbs = verbs
        self._monotonic_ms = monotonic_ms
        self.ticked_ms = monotonic_ms()

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
            answer = self._answer(line)
            client.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
        except OSError:
            return  # the client went away or was too slow: its loss alone

    def _read_line(self, client: socket.socket) -> bytes:
        parts: list[bytes] = []
        size = 0
        while size < LINE_LIMIT_BYTES:
            part = client.recv(_CHUNK)
            self.ticked_ms = self._monotonic_ms()
            parts.append(part)
            size += len(part)
            if not part or part.endswith(b"\n"):
                break
        return b"".join(parts)

    def _answer(self, line: bytes) -> Mapping[str, object]:
        try:
            request = json.loads(line)
        except ValueError:
            return refusal("NOT_JSON", "send one JSON object on one line")
        if not isinstance(request, dict) or request.get("verb") not in self._verbs:
            return refusal("UNKNOWN_VERB", f"known verbs: {', '.join(sorted(self._verbs))}")
        return self._verbs[request["verb"]](request)


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
