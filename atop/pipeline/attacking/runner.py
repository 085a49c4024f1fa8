"""Attacks as rows of attacks.yaml run them: batches, restarts, candidates and their judge."""

from typing import NamedTuple

import torch
from torch import Tensor

from atop.core.errors import AtopError
from atop.core.execution import FLOAT32, recompute
from atop.core.memory import halving
from atop.core.randomness import Randomness
from atop.experiment.stages.attack import Attack as AttackStage
from atop.method.attack import Attack, Target, margin
from atop.method.eot import BatchedTarget, expectation
from atop.method.surrogates import SURROGATES
from atop.pipeline import assemble
from atop.pipeline.attacking.batches import batches
from atop.pipeline.execution.resolve import compute


class CandidateScore(NamedTuple):
    """Scores of examples over the judge's draws: lower is worse for the defence.

    Attributes:
        correct: (B,) share of draws in which the example is classified correctly.
        margin: (B,) mean of the true logit minus the best wrong one; decides between equals.
    """

    correct: Tensor
    margin: Tensor

    def below(self, other: "CandidateScore") -> Tensor:
        """(B,) whether each example scores worse than in `other`."""
        closer = (self.correct == other.correct) & (self.margin < other.margin)
        return (self.correct < other.correct) | closer


class AttackRunner:
    """Runs an attack of attacks.yaml on a cell, with its restarts and its judge."""

    def __init__(self, stage: AttackStage, device: torch.device) -> None:
        preset, self.spec, self.name = stage.preset, stage.spec, stage.attack
        self.method = assemble.attack(preset, self.name)
        self.seed = preset.settings.seed
        self.defense = assemble.defense(preset, stage.cell).to(device)
        self.compute = compute(preset, "attack", stage.cell, device)
        self.compute.prepare(self.defense)
        self.compute.fuse(self.defense.purifier)
        through = self.spec.through
        random = self.defense.random and through != "fixed"
        self.batch, rows = batches(
            preset.settings.evaluation.batch,
            pixels=preset.working_pixels(stage.cell),
            views=preset.views(stage.cell),
            eot=self.spec.eot or 1 if random else 1,
            device=device,
        )
        self.judged = BatchedTarget(self.defense, rows=rows, random=self.defense.random)
        surrogate = SURROGATES[through](self.defense)
        self.target = BatchedTarget(surrogate, rows=rows, random=random, compute=self.compute)
        several = self.spec.restarts > 1 or hasattr(self.method, "candidates")
        self.chooses = self.spec.after is not None or several

    def remaining(self, start: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """(N,) which examples are attacked: all, or those that the attack before did not break.

        An example is not broken if any draw of the judge still classifies it correctly: no lucky
        draw takes one out. AutoAttack's rule, one forward pass, is the same where draws do not
        differ.
        """
        if self.spec.after is None:
            return torch.ones_like(y, dtype=torch.bool)
        parts = (torch.split(part, self.batch) for part in (start, y, index))
        return torch.cat([self.judge(*part).correct > 0 for part in zip(*parts, strict=True)])

    def run(self, x: Tensor, start: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """Attack a batch; keep the worst of each example's candidates, `start` among them.

        The one result of a method without `after` and restarts is not judged.
        """
        if not self.chooses:
            (result,) = self._attempt(x, y, index, 0)
            return result
        best, score = start.clone(), self.judge(start, y, index)
        for restart in range(self.spec.restarts):
            for candidate in self._attempt(x, y, index, restart):
                new = self.judge(candidate, y, index)
                worse = new.below(score)
                best = torch.where(worse[:, None, None, None], candidate, best)
                both = zip(new, score, strict=True)
                score = CandidateScore(*(torch.where(worse, low, high) for low, high in both))
        return best

    @FLOAT32.arithmetic()
    def judge(self, images: Tensor, y: Tensor, index: Tensor) -> CandidateScore:
        """Score images before the whole defence, on draws that no attack step sees."""

        def score(target: BatchedTarget, draws: Randomness, count: int) -> tuple[Tensor, ...]:
            with torch.no_grad():
                logits = target(images.repeat(count, 1, 1, 1), draws)
            gaps = -margin(logits, y.repeat(count)).reshape(count, -1)
            correct = (logits.argmax(1) == y.repeat(count)).reshape(count, -1)
            return correct.to(gaps).sum(0), gaps.sum(0)

        draws = Randomness(self.seed, f"judge:{self.name}", index)
        return CandidateScore(*expectation(score, self.judged, len(y), draws, self.spec.judge))

    def flags(self, x: Tensor, y: Tensor, index: Tensor) -> list[str]:
        """Warnings of the method's own checks, if it has any."""
        checks = getattr(self.method, "flags", None)
        draws = Randomness(self.seed, f"flags:{self.name}", index)
        return checks(self.target, x, y, draws) if checks else []

    def _attempt(self, x: Tensor, y: Tensor, index: Tensor, restart: int) -> list[Tensor]:
        """Run the method once; a batch that does not fit into memory is run in halves.

        If one image alone does not fit, backward passes keep less from then on and take longer.
        """
        stream = f"attack:{self.name}" + (f":{restart}" if restart else "")

        def attack(first: int) -> list[Tensor]:
            """Attack all at once, or the first of them and the others apart."""
            if first == len(x):
                with self.compute.arithmetic():
                    draws = Randomness(self.seed, stream, index)
                    return candidates(self.method, self.target, x, y, draws)
            parts = (slice(None, first), slice(first, None))
            both = [self._attempt(x[p], y[p], index[p], restart) for p in parts]
            return [torch.cat(halves) for halves in zip(*both, strict=True)]

        try:
            return halving(attack, len(x))
        except torch.OutOfMemoryError:
            if not recompute(self.defense):
                raise AtopError(f"{self.name}: not even one image fits into memory") from None
        return self._attempt(x, y, index, restart)


def candidates(
    method: Attack, target: Target, x: Tensor, y: Tensor, randomness: Randomness
) -> list[Tensor]:
    """Results of one run of an attack, which may be several; AtopError unless inside [0, 1]."""
    if hasattr(method, "candidates"):
        results = method.candidates(target, x, y, randomness)
    else:
        results = [method(target, x, y, randomness)]
    for images in results:
        if not (images.min() >= 0 and images.max() <= 1):  # NaN is not
            raise AtopError(f"{type(method).__name__}: made images that are not inside [0, 1]")
    return [images.detach() for images in results]
