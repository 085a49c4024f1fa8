"""What each verb calls.

Imports are inside, so that `table` needs no torch and `--help` is quick.
"""

from argparse import Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def _device(options: Namespace) -> "torch.device":
    import torch

    from atop import assemble

    # A peaked attention has subnormal weights, which slow a CPU down up to eight times.
    torch.set_flush_denormal(True)
    if options.threads:
        torch.set_num_threads(options.threads)
    return assemble.device(options.preset, allow_cpu=options.allow_cpu)


def fetch(options: Namespace) -> None:
    """Fetch a dataset, verify its pixels, store it in results/data/."""
    from atop.data.fetch import fetch

    print(fetch(options.dataset, folder=options.folder))


def weights(options: Namespace) -> None:
    """Fetch public weights of a purifier into results/weights/."""
    from atop.download import fetch_weights

    print(fetch_weights(options.purifier, options.init))


def device(options: Namespace) -> None:
    """Say what a preset would run on, or why it does not run here."""
    print(f"preset {options.preset} runs on {_device(options)}")


def classifier(options: Namespace) -> None:
    """Train a classifier on clean pictures."""
    from atop.training import jobs

    chosen = _device(options)
    print(jobs.classifier(options.preset, options.dataset, options.classifier, device=chosen))


def pretrain(options: Namespace) -> None:
    """Pretrain a purifier from scratch with L_org."""
    from atop.training import jobs

    chosen = _device(options)
    print(jobs.pretrain(options.preset, options.dataset, options.purifier, device=chosen))


def finetune(options: Namespace) -> None:
    """Make a cell's purifier: the L_org stage, AToP, or a control."""
    from atop import known
    from atop.training import jobs

    cell, chosen = known.parse(options.cell, options.preset), _device(options)
    print(jobs.finetune(options.preset, cell, device=chosen))


def attack(options: Namespace) -> None:
    """Make an adversarial set on a cell."""
    from atop import known
    from atop.adversarial import make_adversarial

    cell, chosen = known.parse(options.cell, options.preset), _device(options)
    print(make_adversarial(options.preset, cell, options.attack, device=chosen))


def evaluate(options: Namespace) -> None:
    """Classify a suite's adversarial sets with a cell and write its record."""
    from atop import config, known
    from atop.evaluate import evaluate

    cell, chosen = known.parse(options.cell, options.preset), _device(options)
    target = options.target or config.suite(options.suite, options.preset)["target"]
    print(evaluate(options.preset, cell, options.suite, target, device=chosen))


def table(options: Namespace) -> None:
    """Render a table from the records that exist, beside the paper's numbers."""
    from atop import known, paths, tables
    from atop.render import render

    words = {name: getattr(options, name) for name in ("target", "init", "recipe", "seed")}
    made = tables.table(options.table, options.preset, **words)
    known.check_table(made)
    out = options.out or paths.place(options.preset)
    for path in render(table=made, results=options.results or paths.RESULTS, out=out):
        print(path)


def plot(options: Namespace) -> None:
    """Plot the curves of a rendered table from its CSV."""
    from atop.figures import convergence

    convergence(options.data, options.out)
    print(*options.out, sep="\n")


def embed(options: Namespace) -> None:
    """Put the slice of CIFAR-10 and the small networks into workflow/resources/."""
    from atop.data import embedded

    for path, digest in embedded.install().items():
        print(f"{digest}  {path}")
