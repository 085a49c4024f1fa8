"""What lies beside the page, and figures taken into it."""

from base64 import b64encode
from pathlib import Path

from atop.core.files import ROOT
from atop.core.values import Dict
from atop.experiment import config, paths
from atop.experiment import image_grids as picture_grids
from atop.experiment.paper import title
from atop.experiment.tables import Table, table
from atop.reporting.report import authors_log
from atop.reporting.report.commands import command
from atop.results import metadata

LEFT_OUT = {"smoke": {"convergence"}}
"""What the page of a preset shows if it lies there and does not ask for, as it takes minutes."""

TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def parts(preset: str) -> list[Path]:
    """What the page of a preset is made of: rendered tables and figures, and the authors' log."""
    names = sorted(set(config.tables()) - LEFT_OUT.get(preset, set()))
    drawn = [name for name in names if kind(table(name, preset))]
    files = [f"{name}.csv" for name in names] + [f"{name}.svg" for name in drawn]
    files += [f"{name}.{ending}" for name in picture_grids.names() for ending in ("png", "json")]
    logs = [authors_log.FILE.relative_to(ROOT)] if config.preset(preset).comparable else []
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
    return {"src": _uri(path), "alt": alt, "command": command(shown, path), "slow": slow}


def grids(folder: Path, beside: Table) -> list[Dict]:
    """Picture grids with their words; without `src`, a `command` that draws one beside a table."""
    return [_grid(name, folder, beside) for name in picture_grids.names()]


def _grid(name: str, folder: Path, beside: Table) -> Dict:
    path, about = folder / f"{name}.png", folder / f"{name}.json"
    if not path.exists() or not about.exists():
        return {"title": title(name), "src": "", "command": command(beside, path)}
    keys = ("title", "caption", "alt", "missing")
    told = metadata.read(about, *keys)
    return {"src": _uri(path)} | {key: told[key] for key in keys}


def _uri(path: Path) -> str:
    """A picture as a data URI; empty if there is none."""
    if not path.exists():
        return ""
    return f"data:{TYPES[path.suffix]};base64,{b64encode(path.read_bytes()).decode()}"
