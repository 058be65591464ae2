"""`forecourt run`: the daemon that systemd starts."""

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from agent.cli.exits import Exit
from agent.cli.render import fail
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, settings_of

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Serve this station until SIGTERM. Logs go to stderr, one JSON object a line."""
    from agent.app import Agent, StartRefused, prepare
    from agent.notify import notifier_from
    from agent.supervisor import TooManyDeaths

    _log_to_stderr()
    parts = prepare(settings_of(config, secrets_needed=True))
    if isinstance(parts, StartRefused):
        fail(Exit.REFUSED, parts.code, parts.text)
    agent = Agent(parts, notifier_from(os.environ))
    refused = agent.claim_state()
    if refused is not None:
        fail(Exit.STORE, refused.code, refused.text)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        agent.run(stop)
    except TooManyDeaths as error:
        _give_up(config, error)


def _give_up(config: Path, error: Exception) -> NoReturn:
    """A worker that cannot be revived: systemd starts everything afresh."""
    logging.getLogger("forecourt.run").critical("GIVING_UP", extra={"why": str(error), "config": str(config)})
    logging.shutdown()
    os._exit(Exit.REFUSED)


class JsonLines(logging.Formatter):
    """time, level, event and the fields of `extra`; journald keeps them."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at_ms": int(record.created * 1000),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        entry |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it logs frames, which may hold anything
