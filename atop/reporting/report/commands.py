"""Commands for what a page lacks, as its reader has to type them."""

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.tables import Table


def command(of: Table, file: object) -> str:
    """What makes a file beside a table, with the preset's GPU and the words of the user."""
    gpu = config.preset(of.preset).device != "cpu"
    words = [f"{name}={word}" for name, word in _words(of).items()]
    parts = ["snakemake --cores all", *(["--resources gpu=1"] if gpu else [])]
    parts += ["--config", *words] if words else []
    return " ".join([*parts, "--", str(file)])


def _words(of: Table) -> Dict:
    """What the user said of a table: words of its cells, a target, extra rows."""
    suites = {one.suite: one.target for one in of.columns}
    usual = {config.suite(suite, of.preset).target for suite in suites}
    target = {} if set(suites.values()) <= usual else {"target": of.columns[0].target}
    return of.words | target | ({"extras": "true"} if any(row.extra for row in of.rows) else {})
