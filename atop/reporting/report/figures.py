"""Files beside the page, the figures that the page contains, and the commands to make them."""

import os
from base64 import b64encode
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import config, image_grids, paths, tables
from atop.experiment.paper import title
from atop.experiment.presets import Preset
from atop.experiment.tables import Table
from atop.reporting.commands import snakemake
from atop.reporting.report import authors_log
from atop.results import metadata

TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def parts(preset: Preset) -> list[Path]:
    """Return the inputs of a preset's page: rendered tables and figures, and the authors' log."""
    names = sorted(set(config.tables()) - set(preset.settings.slow_tables))
    drawn = [name for name in names if kind(tables.table(name, preset))]
    files = [f"{name}.csv" for name in names] + [f"{name}.svg" for name in drawn]
    files += [f"{name}.{ending}" for name in image_grids.names() for ending in ("png", "json")]
    logs = [Path(os.path.relpath(authors_log.FILE))] if preset.settings.comparable else []
    return [paths.tables_of(preset.name) / file for file in files] + logs


def kind(table: Table) -> str | None:
    """Return what the figure of a table shows, bars or curves; None if it has no figure."""
    curves = any(column.curve for column in table.columns)
    return "curves" if curves else table.spec.figure


def of_table(table: Table, folder: Path) -> Dict | None:
    """Return a table's figure, if it has one, and the command to draw it; `src` may be empty."""
    if not (shown := kind(table)):
        return None
    alt = f"{table.spec.title}: the numbers of {title(table.name)} as {shown}"
    path = folder / f"{table.name}.svg"
    slow = table.name in table.preset.settings.slow_tables
    return {"src": _uri(path), "alt": alt, "command": command(table, path), "slow": slow}


def grids(folder: Path, table: Table) -> list[Dict]:
    """Return image grids with their texts; one that is not drawn has the `command` to draw it."""
    return [_grid(name, folder, table) for name in image_grids.names()]


def _grid(name: str, folder: Path, table: Table) -> Dict:
    path, about = folder / f"{name}.png", folder / f"{name}.json"
    if not path.exists() or not about.exists():
        return {"title": title(name), "src": "", "command": command(table, path)}
    keys = ("title", "caption", "alt", "missing")
    texts = metadata.read(about, *keys)
    return {"src": _uri(path)} | {key: texts[key] for key in keys}


def _uri(path: Path) -> str:
    """Return an image as a data URI; empty if there is no file."""
    if not path.exists():
        return ""
    return f"data:{TYPES[path.suffix]};base64,{b64encode(path.read_bytes()).decode()}"


def command(table: Table, file: object) -> str:
    """Return the command for a file of a table's page, with the GPU and the user's overrides."""
    suites = {column.suite: column.target for column in table.columns}
    default = {config.suite(suite).target for suite in suites}
    overrides = dict(table.overrides)
    if not set(suites.values()) <= default:
        overrides["target"] = table.columns[0].target
    if any(row.extra for row in table.rows):
        overrides["extras"] = "true"
    return snakemake(table.preset, file, **overrides)
