"""A Modbus TCP slave on pyModbusTCP with the registers of a Compac C5000; speaks as `c5000.c` does.

python pymodbustcp_slave.py tcp PORT UNIT STATE. The unit is not looked at, as behind most TCP gateways.
"""

import json
import sys
import threading
import time
from pathlib import Path

from pyModbusTCP.server import DataBank, DataHandler, ModbusServer

BUSY, FAILED = 6, 4


class Dispenser(DataHandler):
    """Holding registers 100 to 131, kept without power in a file."""

    def __init__(self, state: Path) -> None:
        super().__init__(DataBank(h_regs_size=200))
        self.state = state
        self.refusals: list[int] = []
        self.late: list[int] = []
        self.memory = (
            json.loads(state.read_text()) if state.exists() else {"price": 0, "last": [], "total": [0, 0]}
        )
        if running := self.memory.pop("running", None):
            self.memory["last"] = running
            self.memory["total"] = [a + b for a, b in zip(self.memory["total"], running, strict=True)]
        self.show(0)

    def read_h_regs(self, address: int, count: int, srv_info: object) -> DataHandler.Return:
        if self.late:
            time.sleep(self.late.pop() / 1000)
        if self.refusals:
            return DataHandler.Return(exp_code=self.refusals.pop())
        return super().read_h_regs(address, count, srv_info)

    def show(self, current: int) -> None:
        memory = self.memory
        volume, amount = memory["last"] or (0, 0)
        self.data_bank.set_holding_registers(101, [memory["price"], *long(current or volume)])
        self.data_bank.set_holding_registers(106, [*digits(memory["total"][0]), *digits(memory["total"][1])])
        flag = int(bool(memory["last"]) and "running" not in memory)
        self.data_bank.set_holding_registers(124, [flag, *long(volume), *long(amount)])

    def keep(self) -> None:
        fresh = self.state.with_suffix(".new")
        fresh.write_text(json.dumps(self.memory))
        fresh.rename(self.state)

    def sell(self, volume_ml: int, amount_milli: int, flow_ms: int) -> None:
        self.memory["running"] = [volume_ml, amount_milli]
        self.keep()
        for tenth in range(1, 11):
            self.show(volume_ml * tenth // 10)
            time.sleep(flow_ms / 10_000)
        done = self.memory.pop("running")
        self.memory["last"] = done
        self.memory["total"] = [a + b for a, b in zip(self.memory["total"], done, strict=True)]
        self.keep()
        self.show(0)
        say("sold")

    def obey(self, order: str, *numbers: int) -> None:
        if order == "price":
            self.memory["price"] = numbers[0]
            self.keep()
            self.show(0)
        elif order == "sell":
            threading.Thread(target=self.sell, args=numbers, daemon=True).start()
        elif order == "late":
            self.late = [numbers[1]] * numbers[0]
        else:
            self.refusals = [{"busy": BUSY, "refuse": FAILED}[order]] * numbers[0]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def long(count: int) -> tuple[int, int]:
    return count >> 16, count & 0xFFFF


def digits(count: int) -> list[int]:
    text = f"{count:012d}"
    return [int(text[at : at + 4], 16) for at in (0, 4, 8)]


def main(port: str, state: str) -> None:
    dispenser = Dispenser(Path(state))
    server = ModbusServer("127.0.0.1", int(port), no_block=True, data_hdl=dispenser)
    server.start()
    say(f"port {server._service.server_address[1]}")
    for line in sys.stdin:
        order, *numbers = line.split()
        dispenser.obey(order, *map(int, numbers))


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[4])
