"""AToP benchmark suite: the numbers of Lin et al. (ICLR 2024), measured again."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from atop.method.defense import Defense
    from atop.operations.benchmark.report import Report

__all__ = ["evaluate_defense", "load_defense"]


def evaluate_defense(
    model: "nn.Module",
    *,
    dataset: str = "cifar10",
    protocol: str = "strict",
    n: int | None = None,
    classifier: "nn.Module | None" = None,
    name: str = "mine",
    device: "str | torch.device | None" = None,
    files: "str | Path | None" = None,
) -> "Report":
    """Measure what a defence withstands.

    The results of each step are kept in `results/defenses/` of the current folder, or of ATOP_HOME.
    A call that was interrupted goes on when it is made again.

    Args:
        model: (B, 3, H, W) images in [0, 1] -> (B, classes) logits, random or not, at the dataset's
            own size. If its `forward` has a parameter `randomness`, that is the draw of each image
            (atop/core/randomness.py); otherwise the global generators of torch, numpy and `random`
            are seeded before each call, so that the draws of attacks, of the choice of the worst
            attack, and of the evaluation are all different.
        dataset: of workflow/config/datasets.yaml.
        protocol: of workflow/config/protocols.yaml: strict, lee-kim, autoattack, grey-box or smoke.
        n: number of test images; the protocol's by default.
        classifier: the classifier inside of the defence, which grey-box attacks differentiate.
        name: of the defence, in tables and paths.
        device: such as "cuda:1"; the first GPU, or else the CPU, by default.
        files: folder of data that you have; what is missing is downloaded.

    Raises:
        AtopError: the model returns something else than logits; unknown names; no data.
    """
    from pathlib import Path

    from atop.operations.benchmark import Request, evaluate_module
    from atop.pipeline import devices

    request = Request(
        name=name,
        dataset=dataset,
        protocol=protocol,
        n=n,
        device=devices.named(device),
        folder=Path(files) if files else None,
    )
    return evaluate_module(model, request, classifier=classifier)


def load_defense(cell: str, *, preset: str = "smoke", seed: int | None = None) -> "Defense":
    """A trained defence as one module, (B, 3, H, W) in [0, 1] -> (B, classes) logits, frozen.

    The workflow has made the cell, in the current folder or in ATOP_HOME. Each call of the module
    is a new draw. It may be copied and run by `nn.DataParallel`; a call that activation
    checkpointing repeats is refused unless it has `randomness`.

    Args:
        cell: such as "cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0".
        preset: under which it was made.
        seed: with which the draws of a process can be repeated; they differ by default.

    Raises:
        AtopError: no such cell, or it has not been made.
    """
    from atop.experiment import presets
    from atop.experiment.cells import Cell
    from atop.method.fresh_draws import FreshDraws
    from atop.pipeline import assemble

    defense = assemble.defense(presets.get(preset), Cell.parse(cell))
    defense.fresh = FreshDraws(seed)
    return defense
