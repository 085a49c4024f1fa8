"""pdflatex, and what is held against a page that it makes."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path


@cache
def is_here() -> bool:
    """Whether there are pdflatex and pgfplots."""
    if not shutil.which("pdflatex"):
        return False
    found = subprocess.run(["kpsewhich", "pgfplots.sty"], check=False, capture_output=True)
    return found.returncode == 0


def compiles(text: str, folder: Path) -> None:
    """Compile it with the packages that its first line names; the log must know of no trouble."""
    (match,) = re.findall(r"\\usepackage\{[a-z,]*\}", text)
    page = rf"\documentclass{{article}}{match}\begin{{document}}\input{{it.tex}}\end{{document}}"
    (folder / "it.tex").write_text(text)
    (folder / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, timeout=60)
    log = (folder / "page.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert re.search(r"Output written on page\.pdf \([1-9]", log)
    for trouble in ("Overfull", "too large", "undefined", "Missing character"):
        assert trouble not in log, log[log.index(trouble) - 200 :][:600]
