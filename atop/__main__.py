"""The command line: `python -m atop COMMAND`. Every rule of the workflow runs one of them."""

import argparse
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from inspect import getdoc

from atop.commands import defenses, inputs, operations, stages, tables
from atop.commands.arguments import CELL, PROGRAM, Parser
from atop.core.errors import AtopError

EPILOG = f"""\
The workflow calls these commands in order; each can be typed by hand to do one step again, from the
root of the checkout.

{CELL}
Example, the smoke preset's RT2 with AToP again:
  python -m atop fetch --dataset cifar10_slice
  python -m atop finetune --preset smoke --cell CELL
  python -m atop attack --preset smoke --cell cifar10_slice-resnet_small-undefended --attack pgd-20
  python -m atop evaluate --preset smoke --cell CELL --suite table7
  python -m atop table --preset smoke --table table7
"""


def parser() -> Parser:
    """The command line, of all files in atop/commands/."""
    top = Parser(
        prog=PROGRAM,
        description="Steps of the AToP benchmark suite.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Namespace], None]) -> Parser:
        about = getdoc(run) or ""
        command = commands.add_parser(
            name,
            help=about.split("\n")[0],
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    for group in (inputs, stages, tables, defenses, operations):
        group.add(add)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; an error that the user can correct is one line and exit code 2."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except AtopError as error:
        return fail(options.command, str(error))
    except OSError as error:  # a full disk, a folder that is a file, no permission
        if error.filename is None:
            raise
        return fail(options.command, f"{error.filename}: {error.strerror}")
    return 0


def fail(command: str, reason: str) -> int:
    """Print in one line why a command failed; return its exit code."""
    print(f"atop {command}: error: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
