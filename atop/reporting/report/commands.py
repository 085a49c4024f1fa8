"""Commands that make what a page lacks, as a reader types them."""

from atop.experiment import config
from atop.experiment.tables import Table


def command(table: Table, file: object) -> str:
    """Return the command for a file of a table's page, with the GPU and the user's overrides."""
    gpu = config.preset(table.preset).device != "cpu"
    suites = {column.suite: column.target for column in table.columns}
    default = {config.suite(suite, table.preset).target for suite in suites}
    overrides = dict(table.words)
    if not set(suites.values()) <= default:
        overrides["target"] = table.columns[0].target
    if any(row.extra for row in table.rows):
        overrides["extras"] = "true"
    parts = ["snakemake --cores all", *(["--resources gpu=1"] if gpu else [])]
    if overrides:
        parts += ["--config", *(f"{key}={value}" for key, value in overrides.items())]
    return " ".join([*parts, "--", str(file)])
