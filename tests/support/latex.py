"""pdflatex, what is held against the pages that it makes, and what stands on them."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

PAGE = r"""\documentclass{article}%s
\begin{document}
\showboxdepth=10000 \showboxbreadth=10000 \tracingoutput=1
%s
\end{document}
"""
SYMBOLS = {"^^@": "-", "^^L": "fi", "^^M": "fl", "^^K": "ff", "^^N": "ffi", "{": "-"}
"""Characters of TeX's fonts that are others than in ASCII: a minus, ligatures, a dash."""


@cache
def is_here() -> bool:
    """Whether there are pdflatex and what tables need beyond its base."""
    if not shutil.which("pdflatex"):
        return False
    names = ["booktabs.sty", "pdflscape.sty"]
    return not subprocess.run(["kpsewhich", *names], check=False, capture_output=True).returncode


def compiles(*files: Path, out: Path) -> list[str]:
    """Compile files from the folder of the first, with the packages that each says it needs.

    The log must know of no trouble. Returns the words on each page.
    """
    needed = {name for file in files for name in _packages(file.read_text())}
    inputs = "".join(rf"\input{{{file.name}}}" for file in files)
    page = out / "page.tex"
    page.write_text(PAGE % (rf"\usepackage{{{','.join(sorted(needed))}}}", inputs))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"-output-directory={out}"]
    done = subprocess.run(
        [*command, page],
        check=False, cwd=files[0].parent, capture_output=True, timeout=120,
        env={**os.environ, "max_print_line": "10000"},
    )  # fmt: skip
    log = (out / "page.log").read_text(errors="replace")
    for trouble in ("Overfull", "too large", "undefined", "Undefined", "Missing character"):
        assert trouble not in log, log[log.index(trouble) - 200 :][:600]
    assert done.returncode == 0, log[-2000:]
    assert re.search(r"Output written on .*page\.pdf \([1-9]", log)
    return [_words(box) for box in log.split("Completed box being shipped out")[1:]]


def _packages(text: str) -> list[str]:
    """Those that the comment at its head names."""
    return [
        name
        for names in re.findall(r"\\usepackage\{([a-z,]*)\}", text)
        for name in names.split(",")
    ]


def _words(box: str) -> str:
    """Text of a box as TeX shows it: a character, a kern or a space a line."""
    text = ""
    for line in box.splitlines():
        if match := re.fullmatch(r"\.+\\O(?:T1|MS|ML)/\S+ (\S+)(?: \(ligature \S+\))?", line):
            text += SYMBOLS.get(match[1], match[1])
        elif not re.search(r"\\(kern|math|discretionary)", line):
            text += " "
    return " ".join(text.split())
