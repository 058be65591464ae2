"""House: does the service unit still say what was decided (decisions.md 10, reliability.md appendix 2)?"""

import pytest

from tests.house.sources import ROOT

UNIT = (ROOT / "systemd" / "forecourt.service").read_text()

DECIDED = [
    "StartLimitIntervalSec=0",
    "Type=notify",
    "WatchdogSec=30",
    "Restart=always",
    "User=forecourt",
    "Group=forecourt",
    "SupplementaryGroups=dialout",
    "StateDirectory=forecourt",
    "StateDirectoryMode=0750",
    "RuntimeDirectory=forecourt",
    "RuntimeDirectoryMode=0750",
    "UMask=0027",
    "LoadCredential=credential_key_k1:/etc/forecourt/credential_key_k1",
    "ProtectSystem=strict",
    "DevicePolicy=closed",
    "CapabilityBoundingSet=",
    "SystemCallFilter=~@privileged @resources",
]


@pytest.mark.parametrize("line", DECIDED)
def test_the_unit_says_what_was_decided(line: str) -> None:
    assert UNIT.splitlines().count(line) == 1


def test_no_dynamic_user_and_no_address_list() -> None:
    assert "DynamicUser" not in UNIT
    assert "IPAddress" not in UNIT, "the list of addresses is the installer's drop-in"
    assert "DeviceAllow=char-pts" not in UNIT


def test_the_user_is_made_by_sysusers() -> None:
    lines = (ROOT / "systemd" / "forecourt.sysusers").read_text().splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith("#")] == [["u", "forecourt"]]
