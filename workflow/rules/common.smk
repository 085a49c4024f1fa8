# Functions that several rules use: from wildcards to paths, with atop/experiment.

import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)
# Jobs run with the Python of Snakemake.
here = str(Path(sys.executable).parent)
os.environ.update(PATH=os.pathsep.join([here, *os.get_exec_path()]))

from atop.core.errors import AtopError
from atop.experiment import cells, dag, fingerprints, paper, paths, tables
from atop.experiment import validate, weight_files
from atop.experiment import config as settings

try:
    config.update(validate.words(config))
    validate.check_everything(config)
except AtopError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    preset="|".join(settings.presets()),
    where="|".join(
        ["", *(f"{name}/" for name in settings.presets() if name != "paper")]
    ),
    table="|".join(settings.tables()),
    dataset="|".join(settings.read("datasets")),
    classifier="[a-z0-9_]+",
    purifier="[a-z0-9_]+",
    init="[a-z0-9_]+",
    cell=r"[a-z0-9_]+(-[a-z0-9_]+)+",
    attack="|".join(settings.read("attacks")["attacks"]),
    suite="|".join(settings.read("attacks")["suites"]),
    target="|".join(cells.VICTIMS),


# Rendering is cheap, so its source code is an input: an edited template or check renders again.
RENDERING = dag.rendering()


def cell_of(wildcards):
    try:
        return validate.parse(wildcards.cell, wildcards.preset)
    except AtopError as error:
        raise WorkflowError(str(error))


def preset_of(wildcards):
    return settings.preset(wildcards.preset)


def gpus(wildcards):
    return 0 if preset_of(wildcards).device == "cpu" else 1


def cpus(wildcards):
    return preset_of(wildcards).threads


def gate(wildcards):
    # GPU presets first check for a GPU; an old result of this check is no reason to run again.
    return [ancient(paths.gate(wildcards.preset))] if gpus(wildcards) else []


def finetune_inputs(wildcards):
    return gate(wildcards) + dag.finetune(wildcards.preset, cell_of(wildcards))


def attack_inputs(wildcards):
    cell = cell_of(wildcards)
    return gate(wildcards) + dag.attack(wildcards.preset, cell, wildcards.attack)


def evaluate_inputs(wildcards):
    cell = cell_of(wildcards)
    return dag.evaluate(wildcards.preset, cell, wildcards.suite, wildcards.target)


def preset_in(wildcards):
    return paths.preset_of(wildcards.where)


def options(*names):
    """Return options of the command line by name."""
    return {name: config[name] for name in names}


def table_of(wildcards):
    overrides = options("target", "init", "recipe", "seed", "extras", "files")
    return tables.table(wildcards.table, preset_in(wildcards), **overrides)


def labels(wildcards):
    """Return the labels of a table or figure in Snakemake's report."""
    name = wildcards.get("table") or wildcards.figure
    grids = settings.read("pictures")["figures"]
    about = grids.get(name) or settings.read(f"tables/{name}", "table")
    return {"Name": paper.title(name), "Title": about["title"]}


def flags(**values):
    """Return command-line options for the values that are set."""
    return " ".join(
        f"--{name.replace('_', '-')}"
        + ("" if value is True else f" {shlex.quote(str(value))}")
        for name, value in values.items()
        if value is not None and value is not False
    )


def files_of(wildcards, threads):
    """Return the source of files. Files are verified, so another source fetches none again."""
    return flags(folder=config["files"], offline=config["offline"])


def how(wildcards, threads):
    """Return options that change no number. As a function of threads they cause no rerun."""
    return flags(
        preset=wildcards.preset, threads=threads, allow_cpu=config["allow_cpu"]
    )
