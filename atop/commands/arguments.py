"""Arguments that several commands take."""

import argparse
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from atop.experiment.cells import TARGETS

if TYPE_CHECKING:
    import torch

    from atop.experiment.stages.stage import Stage
    from atop.experiment.tables import Table

PROGRAM = "python -m atop"
CELL = """\
A CELL is DATASET-CLASSIFIER-PURIFIER-INIT-TRANSFORM-FINETUNE-RECIPE-sSEED, such as
  cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0
perhaps followed by -with_CLASSIFIER, which g was fine-tuned with instead, and by -no_noise,
-no_mask, -no_transform or -fixed_mask; or DATASET-CLASSIFIER-undefended.
"""


class Parser(argparse.ArgumentParser):
    """Reports a wrong command line in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with code 2."""
        name = self.prog.removeprefix(f"{PROGRAM} ") if self.prog != PROGRAM else "COMMAND"
        self.exit(2, f"atop {name}: error: {message}; see {self.prog} --help\n")


OVERRIDES: dict[str, dict[str, Any]] = {
    "init": {"help": "of the purifiers; the preset's by default"},
    "recipe": {"help": "paper, official or minmax; the config's by default"},
    "seed": {"type": int, "help": "of the training; the config's by default"},
    "extras": {"action": "store_true", "help": "with the rows beyond the paper's"},
    "target": {
        "choices": list(TARGETS),
        "help": "the part that the attacker differentiates; the suite's by default",
    },
}
"""Options that override the config."""

AddCommand = Callable[[str, Callable[[Namespace], None]], Parser]
"""Adds a command by its name and the function that runs it, whose docstring is its help."""


def positive(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def minutes(text: str) -> float:
    """A positive number of minutes."""
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes")
    return value


def add_cell(command: Parser) -> None:
    """Add the cell."""
    command.add_argument("--cell", required=True, help="see below")
    command.epilog = CELL


def add_machine(command: Parser) -> None:
    """Add the preset and its machine."""
    command.add_argument("--preset", required=True, help="paper, native or smoke")
    command.add_argument("--threads", type=positive, help="CPU threads; all by default")
    command.add_argument("--allow-cpu", action="store_true", help="run a GPU preset on the CPU")
    command.add_argument("--device", help="such as cpu or cuda:1; the preset's by default")


def add_folder(command: Parser) -> None:
    """Add the folder that files come from."""
    command.add_argument("--folder", type=Path, help="of files that you have, searched two deep")
    command.add_argument("--offline", action="store_true", help="download nothing")


def add_overrides(command: Parser, *names: str) -> None:
    """Add options of OVERRIDES, for a table or a figure."""
    for name in names:
        command.add_argument(f"--{name}", **OVERRIDES[name])


def set_up(options: Namespace) -> None:
    """Set torch up for this process."""
    import torch

    # A peaked attention has subnormal weights, which slow a CPU down up to eight times.
    torch.set_flush_denormal(True)
    if options.threads:
        torch.set_num_threads(options.threads)


def device_of(options: Namespace) -> "torch.device":
    """The device of a preset, set up for this process."""
    from atop.experiment import presets
    from atop.pipeline import devices

    set_up(options)
    preset, name = presets.get(options.preset), getattr(options, "device", None)
    return devices.of_preset(preset, name=name, allow_cpu=options.allow_cpu)


def run_stage(stage: type["Stage"], options: Namespace, *names: str) -> Path:
    """Run the stage that a command line names; return the path of its file."""
    parsed = stage.parse(preset=options.preset, **{name: getattr(options, name) for name in names})
    device = device_of(options)
    from atop.pipeline.run import run

    return run(parsed, device)


def table_of(name: str, options: Namespace) -> "Table":
    """A table under the preset and with the overrides of a command line."""
    from atop.experiment import presets, tables, validate

    overrides = {
        key: getattr(options, key) for key in ("target", "init", "recipe", "seed", "extras")
    }
    table = tables.table(name, presets.get(options.preset), **overrides)
    validate.check_table(table)
    return table
