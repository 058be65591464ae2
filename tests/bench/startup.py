"""(d) How long a person waits for `forecourt status`, against a typer program that does nothing."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench.figure import Figure, interleaved, rounded

_BARE = """\
import typer

main = typer.Typer(add_completion=False)


@main.command()
def status() -> None:
    typer.echo("fine")


main()
"""
