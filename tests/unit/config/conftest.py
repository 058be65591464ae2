"""Keeps the settings of whoever runs the tests out of them."""

import os

import pytest


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("FORECOURT_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
