"""Training of a purifier by its own loss L_org (pretraining, L_org stage, `continued`) or AToP.

L_org is AToP without the classification term (Eq. 5 with lambda = 0).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from atop.core.errors import AtopError
from atop.core.execution import FLOAT32, Compute
from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment.settings.presets import PurifierTraining
from atop.experiment.settings.recipes import Recipe
from atop.method.reconstruction_loss import Images, Loss, Terms
from atop.method.transform import Transform
from atop.pipeline.training.augment import flip, shift
from atop.pipeline.training.loop import Metrics
from atop.pipeline.training.schedule import positions, set_rate

MakeAdversarial = Callable[[Tensor, Tensor, Randomness], Tensor]


@dataclass(frozen=True, kw_only=True)
class Classification:
    """The term that AToP adds to L_org.

    Attributes:
        classify: purified images in [0, 1] -> logits of the frozen classifier.
        attack: (x, y, randomness) -> x'; None trains on clean examples (Figure 4).
    """

    classify: Callable[[Tensor], Tensor]
    attack: MakeAdversarial | None


class PurifierTrainer:
    """Steps of Algorithm 1; without `classification`, of the L_org stage before it.

    Args:
        purifier: g; with `stages(corrupted, mask)` if its loss sees intermediate images too.
        loss: L_org.
        transforms: t; of several, each step takes the next.
        data: training split on the purifier's device.
        input_size: side length in pixels of the attacker's images.
        resize: resizes them to the purifier's size.
        recipe: under the preset.
        budget: of the training.
        seed, stream: of the order, the augmentation and the corruption.
        classification: the AToP term, or None for L_org alone.
        shift: largest shift of an image in pixels, in each direction.
        compute: execution of the networks; losses are computed in float32.

    Raises:
        AtopError: the batch does not divide into its parts.
    """

    def __init__(
        self,
        *,
        purifier: nn.Module,
        loss: Loss,
        transforms: Sequence[Transform],
        data: Split,
        input_size: int,
        resize: Callable[[Tensor], Tensor],
        recipe: Recipe,
        budget: PurifierTraining,
        seed: int,
        stream: str,
        classification: Classification | None = None,
        shift: int = 0,
        compute: Compute = FLOAT32,
    ) -> None:
        compute.prepare(purifier)
        compute.prepare(loss)
        self.compute = compute
        self.purifier, self.loss = purifier.train(), loss.train()
        self.transforms, self.data = transforms, data
        self.input_size, self.resize = input_size, resize
        self.recipe, self.budget = recipe, budget
        self.seed, self.stream = seed, stream
        self.classification, self.shift = classification, shift
        self.batch, self.parts = budget.batch, budget.parts
        if self.batch % self.parts:
            raise AtopError(f"a batch of {self.batch} does not divide into {self.parts} parts")
        self.steps = budget.steps
        self.shared = frozenset({"mask"} if recipe.mask == "per_batch" else ())
        self.optimizer = optimizer(purifier, budget)
        self.loss_optimizer = optimizer(loss, budget) if list(loss.parameters()) else None
        compute.fuse(purifier)

    def step(self, number: int) -> Metrics:
        """Take one step of g, and of the loss's own networks.

        A batch in one part trains the loss's networks first. A batch in several parts trains them
        after the last part, so that all parts see the same networks.
        """
        for each in filter(None, (self.optimizer, self.loss_optimizer)):
            each.zero_grad()
            set_rate(
                each,
                base=self.budget.lr,
                schedule=self.budget.schedule,
                warmup=self.budget.warmup,
                progress=number / self.steps,
            )
        x, labels, randomness = self._batch(number)
        means: Metrics = defaultdict(lambda: x.new_zeros(()))
        with self.compute.arithmetic():
            for part in torch.arange(len(x), device=x.device).chunk(self.parts):
                loss, metrics = self._loss(number, x[part], labels[part], randomness.select(part))
                (loss / self.parts).backward()  # type: ignore[no-untyped-call]
                for name, value in metrics.items():
                    means[name] += value.detach() / self.parts
        self._step(self.optimizer, self.purifier)
        if self.loss_optimizer and self.parts > 1:
            self._step(self.loss_optimizer, self.loss)
        return means

    def _loss(self, number: int, x: Tensor, labels: Tensor, randomness: Randomness) -> Terms:
        """Eq. 5 for a part of a batch: L_org, and the classification term."""
        transform = self.transforms[number % len(self.transforms)]
        attack = self.classification.attack if self.classification else None
        attacked = attack(x, labels, randomness) if attack else x
        clean_target = attack is not None and self.recipe.l1_target == "clean"
        target = self.resize(x if clean_target else attacked)
        purified, missing = self._purify(transform, target, randomness)
        loss, metrics = self.loss(target, purified, missing, self._learn)
        if self.classification and number * self.batch >= self.recipe.ce_after_images:
            if clean_target:
                purified, _ = self._purify(transform, self.resize(attacked), randomness)
            logits = self.classification.classify(purified[-1])
            metrics["ce"] = F.cross_entropy(logits, labels)
            loss = loss + self.recipe.ce_weight * metrics["ce"]
        return loss, metrics

    def _batch(self, number: int) -> tuple[Tensor, Tensor, Randomness]:
        """Inputs in [0, 1], labels and the randomness of a step's batch."""
        where, epoch = positions(
            number,
            size=len(self.data),
            batch=self.batch,
            seed=self.seed,
            stream=self.stream,
            device=self.data.labels.device,
        )
        part = self.data.take(where)
        randomness = Randomness(self.seed, self.stream, part.index, epoch, self.shared)
        images = flip(part.images, randomness)
        if self.shift:
            images = shift(images, randomness, most=self.shift)
        return replace(part, images=images).inputs(self.input_size), part.labels, randomness

    def _purify(
        self, transform: Transform, x: Tensor, randomness: Randomness
    ) -> tuple[Images, Tensor]:
        """The images of the loss, the purified one last, and the pixels missing in any view.

        Under RT3 every loss sees the combined image, whose pixels are all generated (B22).
        """
        views = transform(x, randomness)
        corrupted = views.images.flatten(0, 1), views.mask.flatten(0, 1)
        with self.compute.autocast(x.device):
            if hasattr(self.purifier, "stages"):
                purified = self.purifier.stages(*corrupted)  # type: ignore[operator]
            else:
                purified = (self.purifier(*corrupted),)
        combined = tuple(
            transform.combine(images.to(x.dtype).unflatten(0, views.mask.shape[:2]), views.mask)
            for images in purified
        )
        return combined, views.mask.amax(dim=1)

    def _learn(self, loss: Tensor) -> None:
        """Train the loss's own networks on a part of a batch."""
        (loss / self.parts).backward()  # type: ignore[no-untyped-call]
        if self.loss_optimizer and self.parts == 1:
            self._step(self.loss_optimizer, self.loss)

    def _step(self, optimizer: torch.optim.Optimizer, network: nn.Module) -> None:
        if self.budget.clip is not None:
            clip_grad_norm_(network.parameters(), self.budget.clip)
        optimizer.step()

    def _parts(self) -> dict[str, Any]:
        """The state of the training: networks and optimizers."""
        parts = {"g": self.purifier, "g_optimizer": self.optimizer}
        if self.loss_optimizer:
            parts |= {"loss": self.loss, "loss_optimizer": self.loss_optimizer}
        return parts

    def state_dict(self) -> dict[str, Any]:
        """Weights and moments of g and of the loss's own networks."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])


def optimizer(network: nn.Module, budget: PurifierTraining) -> torch.optim.Optimizer:
    """AdamW, which without decay is Adam; biases and norms do not decay, as for MAE."""
    weights = list(network.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in weights if weight.ndim > 1]},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=budget.lr,
        betas=budget.betas,
        weight_decay=budget.weight_decay,
        fused=weights[0].is_cuda or None,
    )
