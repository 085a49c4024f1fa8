# Functions that rules share: wildcards to paths, through atop/paths.py and atop/config.py.

import os
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from atop import config as settings
from atop import paths
from atop.cells import Cell
from atop.errors import AtopError

try:
    settings.validate(config, "config", where="workflow/config/config.yaml or --config")
    for name in settings.presets():
        settings.preset(name)
    for name in ("datasets", "transforms", "recipes", "attacks", "weights", "deviations"):
        settings.read(name)
    for name in settings.tables():
        settings.table(name, "paper")
except AtopError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    preset="|".join(settings.presets()),
    where="|".join(["", *(f"{name}/" for name in settings.presets() if name != "paper")]),
    table="|".join(settings.tables()),
    dataset="|".join(settings.read("datasets")),
    classifier="[a-z0-9_]+",
    purifier="[a-z0-9_]+",
    init="[a-z0-9_]+",
    cell=r"[a-z0-9_]+(-[a-z0-9_]+)+",
    attack="|".join(settings.read("attacks")["attacks"]),
    suite="|".join(settings.read("attacks")["suites"]),
    target="classifier|defense",


def cell_of(text):
    try:
        return Cell.parse(text)
    except AtopError as error:
        raise WorkflowError(str(error))


def preset_of(wildcards):
    return settings.preset(wildcards.preset)


def gpus(wildcards):
    return 0 if preset_of(wildcards)["device"] == "cpu" else 1


def cpus(wildcards):
    return preset_of(wildcards)["threads"]


def gate(wildcards):
    """GPU presets first ask whether there is a GPU, before hours go into anything else."""
    return [paths.gate(wildcards.preset)] if gpus(wildcards) else []


def classifier_of(wildcards, cell):
    return paths.classifier(
        preset_of(wildcards), wildcards.preset, cell.dataset, cell.classifier
    )


def networks(wildcards, cell):
    """Weights and data that it takes to run a cell."""
    found = [paths.dataset(cell.dataset), classifier_of(wildcards, cell)]
    if not cell.undefended:
        found.append(paths.purifier(wildcards.preset, cell))
    return found


def finetune_inputs(wildcards):
    cell = cell_of(wildcards.cell)
    name = wildcards.preset
    found = [paths.dataset(cell.dataset), *gate(wildcards)]
    if cell.finetune == "none":
        return [*found, paths.initial(preset_of(wildcards), name, cell)]
    found.append(paths.purifier(name, cell.base))
    if cell.classifier != "any":
        found.append(classifier_of(wildcards, cell))
    return found


def attack_inputs(wildcards):
    return [*gate(wildcards), *networks(wildcards, cell_of(wildcards.cell))]


def evaluate_inputs(wildcards):
    cell = cell_of(wildcards.cell)
    victim = cell.victim(wildcards.target)
    attacks = settings.suite(wildcards.suite)["attacks"]
    return [
        *networks(wildcards, cell),
        *(
            paths.adversarial(wildcards.preset, victim, attack)
            for attack in attacks
            if attack != "clean"
        ),
    ]


def table_of(wildcards):
    chosen = {name: config[name] for name in ("init", "recipe", "seed")}
    return settings.table(wildcards.table, paths.preset_of(wildcards.where), **chosen)


def target_of(wildcards):
    return config["target"] or settings.suite(table_of(wildcards).spec["suite"])["target"]


def table_records(wildcards):
    table = table_of(wildcards)
    target = target_of(wildcards)
    return [paths.record(table.preset, cell, table.spec["suite"], target) for cell in table.cells]


def flags(**values):
    """Command-line options for the values that are set."""
    return " ".join(
        f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
        for name, value in values.items()
        if value not in (None, False)
    )
