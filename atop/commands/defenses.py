"""The command that evaluates a defence of the user's."""

from argparse import Namespace
from pathlib import Path

from atop.commands.arguments import AddCommand, positive, set_up

WHAT = """\
FILE.py:FUNCTION, whose function returns a torch.nn.Module from images (B, 3, H, W) in [0, 1] to
logits; or robustbench:ID, torchvision:NAME or timm:NAME"""


def add(command: AddCommand) -> None:
    """Add the commands of this file."""
    parser = command("benchmark", benchmark)
    parser.add_argument("defense", help=WHAT)
    parser.add_argument("--dataset", default="cifar10", help="of datasets.yaml; cifar10 by default")
    parser.add_argument(
        "--protocol",
        default="strict",
        help="strict (default), lee-kim, autoattack, grey-box, smoke",
    )
    parser.add_argument("--n", type=positive, help="test images; the protocol's by default")
    parser.add_argument("--name", default="mine", help="in tables and paths; mine by default")
    parser.add_argument(
        "--classifier", help="the classifier inside, for grey-box attacks; named likewise"
    )
    parser.add_argument("--device", help="such as cpu or cuda:1; a free GPU or the CPU by default")
    parser.add_argument("--threads", type=positive, help="CPU threads; all by default")
    parser.add_argument("--folder", type=Path, help="of data and weights that you have")
    parser.add_argument("--out", type=Path, help="folder for the table; results/defenses/NAME")


def benchmark(options: Namespace) -> None:
    """Measure what a defence of yours withstands; no file of this suite is changed.

    Prints accuracies with 95% intervals and all findings; writes the records and the table as
    Markdown, LaTeX and CSV. Call it again after an interruption, and it goes on.
    """
    from atop.operations.benchmark import Request, evaluate_named
    from atop.operations.benchmark.protocols import FOLDER
    from atop.pipeline import devices

    set_up(options)
    request = Request(
        name=options.name,
        dataset=options.dataset,
        protocol=options.protocol,
        n=options.n,
        device=devices.named(options.device),
        folder=options.folder,
    )
    report = evaluate_named(options.defense, request, inside=options.classifier)
    print(report)
    for path in report.save(options.out or FOLDER / options.name):
        print(path)
