"""What commands share: how a command line is read, and the arguments that several take."""

import argparse
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from atop.experiment.cells import VICTIMS

if TYPE_CHECKING:
    import torch

    from atop.experiment.tables import Table

PROGRAM = "python -m atop"
CELL = """\
A CELL is DATASET-CLASSIFIER-PURIFIER-INIT-TRANSFORM-FINETUNE-RECIPE-sSEED, such as
  cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0
perhaps followed by -no_noise, -no_mask or -no_transform, or DATASET-CLASSIFIER-undefended.
"""


class Parser(argparse.ArgumentParser):
    """Reports a wrong command line as every other error: in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        name = self.prog.removeprefix(f"{PROGRAM} ") if self.prog != PROGRAM else "COMMAND"
        self.exit(2, f"atop {name}: error: {message}; see {self.prog} --help\n")


OVERRIDES: dict[str, dict[str, Any]] = {
    "init": {"help": "of the purifiers; the preset's by default"},
    "recipe": {"help": "paper, official or minmax; the config's by default"},
    "seed": {"type": int, "help": "of the training; the config's by default"},
    "extras": {"action": "store_true", "help": "with the rows beyond the paper's"},
    "target": {
        "choices": list(VICTIMS),
        "help": "what the attacker differentiates; the suite's by default",
    },
}
"""What a user may say instead of the config."""

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
    """The cell that a command works on."""
    command.add_argument("--cell", required=True, help="see below")
    command.epilog = CELL


def add_machine(command: Parser) -> None:
    """The preset, and what it runs on."""
    command.add_argument("--preset", required=True, help="paper, native or smoke")
    command.add_argument("--threads", type=positive, help="CPU threads; all by default")
    command.add_argument("--allow-cpu", action="store_true", help="run a GPU preset on the CPU")


def add_folder(command: Parser) -> None:
    """Where files come from."""
    command.add_argument("--folder", type=Path, help="of files that you have, searched two deep")
    command.add_argument("--offline", action="store_true", help="download nothing")


def add_overrides(command: Parser, *names: str) -> None:
    """What a user says instead of the config, for a table or a figure: names of OVERRIDES."""
    for name in names:
        command.add_argument(f"--{name}", **OVERRIDES[name])


def device_of(options: Namespace) -> "torch.device":
    """The device of a preset, set up for this process."""
    import torch

    from atop.pipeline import assemble

    # A peaked attention has subnormal weights, which slow a CPU down up to eight times.
    torch.set_flush_denormal(True)
    if options.threads:
        torch.set_num_threads(options.threads)
    return assemble.device(options.preset, allow_cpu=options.allow_cpu)


def table_of(name: str, options: Namespace) -> "Table":
    """A table under the preset and with the overrides of a command line."""
    from atop.experiment import tables, validate

    overrides = {
        key: getattr(options, key) for key in ("target", "init", "recipe", "seed", "extras")
    }
    made = tables.table(name, options.preset, **overrides)
    validate.check_table(made)
    return made
