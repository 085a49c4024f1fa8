"""The processor of this machine, on which rounding and speed depend; and names of devices."""

import platform
import re
from functools import cache
from pathlib import Path


@cache
def processor() -> str:
    """Return the name, such as "AMD EPYC 9B14 96-Core Processor"; virtual machines may cut it."""
    match = re.search(r"^model name\s*: (.+)$", _cpuinfo(), re.MULTILINE)
    return (match[1] if match else platform.processor() or platform.machine()).strip()


@cache
def bfloat16_instructions() -> list[str]:
    """Return the names of instructions for bfloat16, such as "avx512_bf16", as Linux lists them.

    Processors of one name may differ in them.
    """
    match = re.search(r"^(?:flags|Features)\s*: (.+)$", _cpuinfo(), re.MULTILINE)
    return sorted(flag for flag in (match[1] if match else "").split() if "bf16" in flag)


def file_name(device: str) -> str:
    """Return the name of a device as part of file names, such as "nvidia-h200"."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def _cpuinfo() -> str:
    linux = Path("/proc/cpuinfo")
    return linux.read_text() if linux.exists() else ""
