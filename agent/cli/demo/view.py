"""What a person sees while the demo plays: one live page on a terminal, plain lines elsewhere."""

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType

Figures = Callable[[], dict[str, str]]


class View(Protocol):
    """`say` may be called from any thread."""

    def say(self, line: str) -> None: ...
    def close(self) -> None: ...


class PlainView:
    """One line per event, on stderr: stdout belongs to the result."""

    def say(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Nothing to take down."""


class LiveView:
    """Figures on top, the last events below, redrawn four times a second."""

    def __init__(self, figures: Figures) -> None:
        from rich.console import Console
        from rich.live import Live

        self._figures = figures
        self._lines: deque[str] = deque(maxlen=14)
        self._lock = threading.Lock()
        self._live = Live(
            console=Console(stderr=True), refresh_per_second=4, get_renderable=self._page, transient=False
        )
        self._live.start()

    def say(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)

    def close(self) -> None:
        self._live.stop()

    def _page(self) -> "RenderableType":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 3))
        figures = self._figures()
        table.add_row(*(f"[dim]{name}[/dim]" for name in figures))
        table.add_row(*(f"[bold]{value}[/bold]" for value in figures.values()))
        with self._lock:
            lines = [Text(line, no_wrap=True, overflow="ellipsis") for line in self._lines]
        return Group(table, Text(""), *lines)
