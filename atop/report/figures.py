"""What lies beside the page, and figures taken into it."""

from base64 import b64encode
from pathlib import Path
from typing import Any

from atop import config, paths
from atop.files import ROOT, read_json
from atop.paper import title
from atop.pictures import grids as picture_grids
from atop.report import authors_log
from atop.tables import Table, table

Dict = dict[str, Any]

LEFT_OUT = {"smoke": {"convergence"}}
"""What the page of a preset shows if it lies there and does not ask for, as it takes minutes."""

TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def parts(preset: str) -> list[Path]:
    """What the page of a preset is made of: rendered tables and figures, and the authors' log."""
    names = sorted(set(config.tables()) - LEFT_OUT.get(preset, set()))
    drawn = [name for name in names if kind(table(name, preset))]
    files = [f"{name}.csv" for name in names] + [f"{name}.svg" for name in drawn]
    files += [f"{name}.{ending}" for name in picture_grids.names() for ending in ("png", "json")]
    logs = [authors_log.FILE.relative_to(ROOT)] if config.preset(preset)["comparable"] else []
    return [paths.place(preset) / file for file in files] + logs


def kind(of: Table) -> str | None:
    """What the figure of a table consists of, bars or curves; None if it has none."""
    curves = any(column.curve for column in of.columns)
    return "curves" if curves else of.spec.get("figure")


def of_table(shown: Table, folder: Path) -> Dict | None:
    """The figure of a table that has one: `src`, empty if it was not drawn, and its words."""
    if not (what := kind(shown)):
        return None
    alt = f"{shown.spec['title']}: the numbers of {title(shown.name)} as {what}"
    path = folder / f"{shown.name}.svg"
    slow = shown.name in LEFT_OUT.get(shown.preset, set())
    return {"src": _uri(path), "alt": alt, "path": str(path), "slow": slow}


def grids(folder: Path) -> list[Dict]:
    """Picture grids with their words; `src` is empty where one was not drawn."""
    return [_grid(name, folder) for name in picture_grids.names()]


def _grid(name: str, folder: Path) -> Dict:
    path, about = folder / f"{name}.png", folder / f"{name}.json"
    if not path.exists() or not about.exists():
        return {"name": title(name), "title": title(name), "src": "", "path": str(path)}
    told = read_json(about)
    words = {key: told[key] for key in ("title", "caption", "alt", "missing")}
    return {"name": title(name), "path": str(path), "src": _uri(path), **words}


def _uri(path: Path) -> str:
    """A picture as a data URI; empty if there is none."""
    if not path.exists():
        return ""
    return f"data:{TYPES[path.suffix]};base64,{b64encode(path.read_bytes()).decode()}"
