"""How much memory a device has, by what the system and the device say."""

import sys
from pathlib import Path

import jax
import pytest

from organics_ode.programs import device_memory
from organics_ode.programs._memory import machine_memory


class Device:
    def __init__(self, stats):
        self.memory_stats = lambda: stats


def test_a_device_says_how_much_it_has(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: [Device({"bytes_limit": 5}), Device(None)])
    assert device_memory() == 5


def test_devices_of_a_cpu_share_what_the_machine_has(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: [Device(None)] * 4)
    assert device_memory() == machine_memory() // 4


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells how much there is")
def test_a_process_may_take_no_more_than_there_is():
    first, *_ = Path("/proc/meminfo").read_text().splitlines()
    name, kilobytes, _ = first.split()
    assert name == "MemTotal:" and 2**28 < machine_memory() <= int(kilobytes) * 1024
