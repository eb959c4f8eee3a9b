"""What the figures were measured on, in words."""

from __future__ import annotations

import os
import platform
import sys

import torch

from mixer_gui.engine.device import processor_name
from mixer_gui.records import DeviceInfo, DevicePreference
from mixer_gui.records.benchmarks import Machine


def describe_machine(device: DeviceInfo) -> Machine:
    """The machine it runs on, with the device that the models run on."""
    processor = processor_name()
    return Machine(
        device=processor if device.kind == DevicePreference.CPU else device.name,
        processor=processor,
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=torch.__version__,
        load=os.getloadavg()[0] if sys.platform != "win32" else None,
    )


def machine_line(machine: Machine) -> str:
    """One line for above a table."""
    load = "" if machine.load is None else f", load {machine.load:.2f}"
    return (
        f"{machine.device}; {machine.cores} cores, {machine.threads} threads; torch {machine.torch}, "
        f"Python {machine.python}, {machine.system}{load}"
    )


def busy_line(machine: Machine) -> str:
    """A warning where other programs had much of the machine; else empty."""
    if not machine.is_busy:
        return ""
    return f"This machine is busy (load {machine.load:.2f} on {machine.cores} cores): the figures are too low."
