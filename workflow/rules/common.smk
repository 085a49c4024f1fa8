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
from atop.experiment import cells, image_grids, paper, paths, presets, tables
from atop.experiment import validate, weight_files
from atop.experiment import config as settings
from atop.experiment.stages import attack, evaluation, finetuning, plan, training

try:
    config.update(validate.plain(config))
    validate.check_everything(config)
except AtopError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    preset="|".join(presets.names()),
    where="|".join(["", *(f"{name}/" for name in presets.names() if name != "paper")]),
    table="|".join(settings.tables()),
    dataset="|".join(settings.datasets()),
    classifier="[a-z0-9_]+",
    purifier="[a-z0-9_]+",
    init="[a-z0-9_]+",
    cell=r"[a-z0-9_]+(-[a-z0-9_]+)+",
    attack="|".join(settings.attacks().attacks),
    suite="|".join(settings.attacks().suites),
    target="|".join(cells.TARGETS),


# Rendering is cheap, so its source code is an input: an edited template or check renders again.
RENDERING = plan.rendering()


def ask(kind, wildcards, attribute):
    """Return an attribute of a rule's stage, a class of atop/experiment/stages."""
    try:
        return getattr(kind.parse(**wildcards), attribute)
    except AtopError as error:
        raise WorkflowError(str(error))


def inputs_of(kind):
    return lambda wildcards: gate(wildcards) + ask(kind, wildcards, "inputs")


def fingerprint_of(kind):
    return lambda wildcards: ask(kind, wildcards, "fingerprint")


def settings_of(wildcards):
    return presets.get(wildcards.preset).settings


def gpus(wildcards):
    return 0 if settings_of(wildcards).device == "cpu" else 1


def cpus(wildcards):
    return settings_of(wildcards).threads


def gate(wildcards):
    # GPU presets first check for a GPU; an old result of this check is no reason to run again.
    return [ancient(paths.DEVICE.format(**wildcards))] if gpus(wildcards) else []


def preset_in(wildcards):
    return paths.preset_of(wildcards.where)


def options(*names):
    """Return options of the command line by name."""
    return {name: config[name] for name in names}


def table_of(wildcards):
    overrides = options("target", "init", "recipe", "seed", "extras", "files")
    preset = presets.get(preset_in(wildcards))
    return tables.table(wildcards.table, preset, **overrides)


def labels(wildcards):
    """Return the labels of a table or figure in Snakemake's report."""
    name = wildcards.get("table") or wildcards.figure
    shown = settings.image_grids().figures.get(name) or settings.table(name)
    return {"Name": paper.title(name), "Title": shown.title}


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
