"""Commands that make what a page lacks, as a reader types them."""

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.tables import Table


def command(table: Table, file: object) -> str:
    """Return the command for a file of a table's page, with the GPU and the user's overrides."""
    gpu = config.preset(table.preset).device != "cpu"
    overrides = [f"{name}={value}" for name, value in _overrides(table).items()]
    parts = ["snakemake --cores all", *(["--resources gpu=1"] if gpu else [])]
    parts += ["--config", *overrides] if overrides else []
    return " ".join([*parts, "--", str(file)])


def _overrides(table: Table) -> Dict:
    """Return the user's overrides of a table: of its cells, the target, extra rows."""
    suites = {column.suite: column.target for column in table.columns}
    default = {config.suite(suite, table.preset).target for suite in suites}
    target = {} if set(suites.values()) <= default else {"target": table.columns[0].target}
    extras = {"extras": "true"} if any(row.extra for row in table.rows) else {}
    return table.words | target | extras
