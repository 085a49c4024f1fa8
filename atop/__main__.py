"""The verbs: `python -m atop VERB`. Every rule of the workflow is one of them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from inspect import getdoc
from pathlib import Path
from typing import NoReturn

from atop.commands import verbs
from atop.core.errors import AtopError
from atop.experiment.cells import VICTIMS

PROGRAM = "python -m atop"
CELL = """\
A CELL is DATASET-CLASSIFIER-PURIFIER-INIT-TRANSFORM-FINETUNE-RECIPE-sSEED, such as
  cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0
perhaps followed by -no_noise, -no_mask or -no_transform, or DATASET-CLASSIFIER-undefended.
"""
EPILOG = f"""\
The workflow calls these verbs in order; each can be typed by hand to do one step again, from the
root of the checkout.

{CELL}
Example, the smoke preset's RT2 with AToP again:
  python -m atop fetch --dataset cifar10_slice
  python -m atop finetune --preset smoke --cell CELL
  python -m atop attack --preset smoke --cell cifar10_slice-resnet_small-undefended --attack pgd-20
  python -m atop evaluate --preset smoke --cell CELL --suite table7
  python -m atop table --preset smoke --table table7
"""


class Parser(argparse.ArgumentParser):
    """Reports a wrong command line as every other error: in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        verb = self.prog.removeprefix(f"{PROGRAM} ") if self.prog != PROGRAM else "VERB"
        self.exit(2, f"atop {verb}: error: {message}; see {self.prog} --help\n")


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


Run = Callable[[argparse.Namespace], None]
AddVerb = Callable[[str, Run], Parser]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = Parser(
        prog=PROGRAM,
        description="Steps of the AToP benchmark suite.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Run) -> Parser:
        about = getdoc(run) or ""
        made = commands.add_parser(
            name,
            help=about.split("\n")[0],
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    _data_verbs(verb)
    _training_verbs(verb)
    _evaluation_verbs(verb)
    released = verb("released", verbs.released_table)
    released.add_argument("--table", required=True, help="such as table7")
    released.add_argument("--records", type=Path, help="results/released/TABLE.jsonl by default")
    released.add_argument("--out", type=Path, help="folder; tables/released/ by default")
    quote = verb("quote", verbs.quote)
    quote.add_argument("template", type=Path, help="such as workflow/report/FINDINGS.md.j2")
    quote.add_argument("--out", type=Path, required=True, help="file to write")
    verify = verb("verify", verbs.verify)
    verify.add_argument("files", nargs="*", type=Path, help="all of results/released/ by default")
    _spending_verbs(verb)
    benchmarks = verb("benchmarks", verbs.benchmarks)
    benchmarks.add_argument("--page", type=Path, help="such as README.md; prints by default")
    verb("embed", verbs.embed)
    return top


def _data_verbs(verb: AddVerb) -> None:
    fetch = verb("fetch", verbs.fetch)
    fetch.add_argument("--dataset", required=True, help="a name of workflow/config/datasets.yaml")
    pack = verb("pack", verbs.pack)
    pack.add_argument("dataset", help="a name of workflow/config/datasets.yaml")
    pack.add_argument("--out", type=Path, required=True, help="folder; NAME/ is made in it")
    checkpoint = verb("checkpoint", verbs.checkpoint)
    which = checkpoint.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="a row of workflow/config/checkpoints.yaml")
    which.add_argument("--file", help="its path under results/checkpoints/ instead")
    prefetch = verb("prefetch", verbs.prefetch)
    prefetch.add_argument("table", help="such as table2")
    prefetch.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    prefetch.add_argument("--init", help="of the purifiers; the preset's by default")
    prefetch.add_argument("--extras", action="store_true", help="with the rows beyond the paper's")
    prefetch.add_argument("--list", action="store_true", help="fetch nothing, say what is here")
    for made in (fetch, checkpoint, prefetch):
        made.add_argument("--folder", type=Path, help="of files that you have, searched two deep")
        made.add_argument("--offline", action="store_true", help="download nothing")
    checkpoints = verb("checkpoints", verbs.checkpoints)
    checkpoints.add_argument("what", choices=["list", "verify"], help="what to do with them")


def _training_verbs(verb: AddVerb) -> None:
    device = verb("device", verbs.device)
    classifier = verb("classifier", verbs.classifier)
    classifier.add_argument("--dataset", required=True, help="a name of datasets.yaml")
    classifier.add_argument("--classifier", required=True, help="a row of classifiers.yaml")
    pretrain = verb("pretrain", verbs.pretrain)
    pretrain.add_argument("--dataset", required=True, help="a name of datasets.yaml")
    pretrain.add_argument("--purifier", required=True, help="a member of atop/method/purifiers/")
    finetune = verb("finetune", verbs.finetune)
    _cell(finetune)
    for made in (device, classifier, pretrain, finetune):
        _machine(made)


def _evaluation_verbs(verb: AddVerb) -> None:
    attack = verb("attack", verbs.attack)
    attack.add_argument("--attack", required=True, help="a row of workflow/config/attacks.yaml")
    evaluate = verb("evaluate", verbs.evaluate)
    evaluate.add_argument("--suite", required=True, help="a suite of workflow/config/attacks.yaml")
    pictures = verb("pictures", verbs.pictures)
    pictures.add_argument("--attack", required=True, help="whose set made on the bare classifier")
    for made in (attack, evaluate, pictures):
        _cell(made)
        _machine(made)
    table = verb("table", verbs.table)
    table.add_argument("--table", required=True, help="such as table7")
    release = verb("release", verbs.release)
    release.add_argument("--table", required=True, help="such as table7")
    release.set_defaults(seed=None, target=None)  # a row's own, as released tables show it
    report = verb("report", verbs.report)
    cost = verb("cost", verbs.cost)
    cost.add_argument("table", help="such as table7, or all")
    cost.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    cost.add_argument("--threads", type=positive, help="CPU threads a job; the preset's by default")
    cost.add_argument("--allow-cpu", action="store_true", help="of a GPU preset on the CPU")
    cost.add_argument("--no-calibration", action="store_true", help="measure nothing")
    cost.add_argument("--device", help="not this one: DEVICE of a calibration-DEVICE.json")
    for made in (table, release, report):
        made.add_argument("--preset", required=True, help="paper, native or smoke")
    for made in (table, release, report, cost):
        made.add_argument("--extras", action="store_true", help="with the rows beyond the paper's")
    draw = verb("draw", verbs.draw)
    draw.add_argument("--figure", required=True, help="such as figure5")
    draw.add_argument("--preset", required=True, help="paper, native or smoke")
    for made in (table, release, report, draw, cost):
        made.add_argument("--init", help="of the purifiers; the preset's by default")
        made.add_argument("--recipe", help="paper, official or minmax; the config's by default")
    for made in (table, report, draw, cost):
        made.add_argument("--seed", type=int, help="of the training; the config's by default")
    for made in (table, release, report, draw):
        made.add_argument("--results", type=Path, help="what to read; results/ by default")
    for made in (table, report, draw):
        made.add_argument("--out", type=Path, help="folder; tables/ or tables/PRESET/ by default")
    plot = verb("plot", verbs.plot)
    plot.add_argument("--data", type=Path, required=True, help="CSV of a rendered table")
    plot.add_argument(
        "--out", type=Path, required=True, action="append", help="a .png, .pdf or .svg; repeatable"
    )
    for made in (evaluate, table, report, cost):
        made.add_argument(
            "--target",
            choices=list(VICTIMS),
            help="what the attacker differentiates; the suite's by default",
        )


def _spending_verbs(verb: AddVerb) -> None:
    spend = verb("spend", verbs.spend)
    spend.add_argument("minutes", type=minutes, help="such as 9, or 0.5")
    spend.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    spend.add_argument("--threads", type=positive, help="CPU threads; the preset's by default")
    spend.add_argument("--allow-cpu", action="store_true", help="run a GPU preset on the CPU")
    spend.add_argument("--folder", type=Path, help="of data and weights, searched two deep")
    spend.add_argument(
        "--bundles", type=Path, help="folder of tar files: unpacked before, written after"
    )
    spend.add_argument("--list", action="store_true", help="do nothing, say what is next")


def _cell(verb: Parser) -> None:
    verb.add_argument("--cell", required=True, help="see below")
    verb.epilog = CELL


def _machine(verb: Parser) -> None:
    verb.add_argument("--preset", required=True, help="paper, native or smoke")
    verb.add_argument("--threads", type=positive, help="CPU threads; all by default")
    verb.add_argument("--allow-cpu", action="store_true", help="run a GPU preset on the CPU")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; an error a person can mend is one line and exit code 2."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except AtopError as error:
        return fail(options.verb, str(error))
    except OSError as error:  # a full disk, a folder that is a file, no permission
        if error.filename is None:
            raise
        return fail(options.verb, f"{error.filename}: {error.strerror}")
    return 0


def fail(verb: str, reason: str) -> int:
    """Say in one line why a verb failed; return its exit code."""
    print(f"atop {verb}: error: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
