"""The processor that this runs on: it rounds in its own way, and has its own speed."""

import platform
import re
from functools import cache
from pathlib import Path


@cache
def processor() -> str:
    """Its name, such as "AMD EPYC 9B14 96-Core Processor"; of a virtual machine it may be short."""
    linux = Path("/proc/cpuinfo")
    told = linux.read_text() if linux.exists() else ""
    found = re.search(r"^model name\s*: (.+)$", told, re.MULTILINE)
    name = found[1] if found else platform.processor() or platform.machine()
    return name.strip()
