"""A station's settings for tests: small, complete and valid; tests break them one by one."""

from pathlib import Path

KEY_HEX = "5a" * 32

STATION_TOML = """\
[station]
id = "station-0042"
programme = "demo-cn"
timezone = "Asia/Shanghai"

[hq]
brokers = ["mqtts://mqtt.example.org:8883"]
public_keys = { hq-1 = "replace-me-with-the-public-key-of-HQ-------" }

[[line]]
name = "island-1"
driver = "companytec"
port = "/dev/ttyS1"
[[line.device]]
key = "dispenser-1"
address = "1"

[[point]]
id = "1"
[[point.nozzle]]
device = "dispenser-1"
nozzle = "1"
product = "92"
"""

SECOND_LINE = """
[[line]]
name = "island-2"
driver = "companytec"
port = "/dev/ttyS2"
[[line.device]]
key = "dispenser-2"
address = "1"
"""


def station_file(folder: Path, text: str = STATION_TOML) -> Path:
    """`text` as the station.toml of `folder`."""
    path = folder / "station.toml"
    path.write_text(text, encoding="utf-8")
    return path
