"""Training a purifier: its own loss L_org (pretraining, L_org stage, `continued`) and AToP.

One stage serves all of them: L_org is AToP without the classification term (Eq. 5 with lambda = 0).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from atop.data.dataset import Split
from atop.randomness import Randomness
from atop.training import losses
from atop.training.augment import flip, shift
from atop.training.loop import Metrics
from atop.training.schedule import positions, set_rate
from atop.transforms._base import Transform

MakeAdversarial = Callable[[Tensor, Tensor, Randomness], Tensor]


@dataclass(frozen=True, kw_only=True)
class Classification:
    """What fine-tuning adds to L_org.

    Attributes:
        classify: purified pictures in [0, 1] -> logits of the frozen classifier.
        attack: (x, y, randomness) -> x'; None trains on clean examples (Figure 4).
    """

    classify: Callable[[Tensor], Tensor]
    attack: MakeAdversarial | None


class PurifierStage:
    """Algorithm 1, a step at a time; without `classification` the L_org stage before it.

    Args:
        purifier: g, with `stages(corrupted, mask) -> (coarse, refined)`.
        discriminator: D.
        transforms: t; of several, each step takes the next.
        data: training split on the purifier's device.
        input_size: side length in pixels of what the attacker hands in.
        resize: brings such a picture to the purifier's size.
        recipe: a row of recipes.yaml.
        budget: images, batch, lr, schedule, clip.
        seed, stream: order, augment and corrupt.
        classification: the AToP term, or None for L_org alone.
        shift: by how many pixels a picture is moved at most, each way.
    """

    def __init__(
        self,
        *,
        purifier: nn.Module,
        discriminator: nn.Module,
        transforms: Sequence[Transform],
        data: Split,
        input_size: int,
        resize: Callable[[Tensor], Tensor],
        recipe: dict[str, Any],
        budget: dict[str, Any],
        seed: int,
        stream: str,
        classification: Classification | None = None,
        shift: int = 0,
    ) -> None:
        self.purifier, self.discriminator = purifier.train(), discriminator.train()
        self.transforms, self.data = transforms, data
        self.input_size, self.resize = input_size, resize
        self.recipe, self.budget = recipe, budget
        self.seed, self.stream = seed, stream
        self.classification, self.shift = classification, shift
        self.batch: int = budget["batch"]
        self.steps: int = budget["images"] // self.batch
        self.shared = frozenset({"mask"} if recipe["mask"] == "per_batch" else ())
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), lr=budget["lr"], betas=(0.5, 0.999))
            for network in (purifier, discriminator)
        )

    def step(self, number: int) -> Metrics:
        """One step of D, if the recipe has one, then one of g."""
        for optimizer in (self.g_optimizer, self.d_optimizer):
            set_rate(
                optimizer,
                base=self.budget["lr"],
                schedule=self.budget["schedule"],
                progress=number / self.steps,
            )
        x, labels, randomness = self._batch(number)
        transform = self.transforms[number % len(self.transforms)]
        attack = self.classification.attack if self.classification else None
        attacked = attack(x, labels, randomness) if attack else x
        clean_target = attack is not None and self.recipe["l1_target"] == "clean"
        target = self.resize(x if clean_target else attacked)
        coarse, refined, mask = self._purify(transform, target, randomness)

        metrics = {"l1": losses.reconstruction(target, coarse, refined)}
        loss = metrics["l1"]
        if self.recipe["gan"] != "off":
            metrics["d"] = self._train_discriminator(target, refined.detach(), mask)
            fake = refined if self.recipe["gan"] == "full" else refined.detach()
            metrics["gan"] = losses.adversarial_term(self.discriminator(*_judged(fake, mask)))
            loss = loss + metrics["gan"]
        if self.classification and number * self.batch >= self.recipe["ce_after_images"]:
            if clean_target:
                _, refined, _ = self._purify(transform, self.resize(attacked), randomness)
            metrics["ce"] = losses.classification(self.classification.classify(refined), labels)
            loss = loss + self.recipe["ce_weight"] * metrics["ce"]
        self._descend(self.g_optimizer, loss, self.purifier)
        return metrics

    def _batch(self, number: int) -> tuple[Tensor, Tensor, Randomness]:
        """Inputs in [0, 1], labels and the randomness of a step's batch."""
        where, epoch = positions(
            number, size=len(self.data), batch=self.batch, seed=self.seed, stream=self.stream
        )
        part = self.data.take(where.to(self.data.labels.device))
        randomness = Randomness(self.seed, self.stream, part.index, epoch, self.shared)
        images = flip(part.images, randomness)
        if self.shift:
            images = shift(images, randomness, most=self.shift)
        return replace(part, images=images).inputs(self.input_size), part.labels, randomness

    def _purify(
        self, transform: Transform, x: Tensor, randomness: Randomness
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Coarse and refined picture and where pixels were missing in any view.

        Under RT3 every loss sees the combined picture, of which all pixels were generated (B22).
        """
        views = transform(x, randomness)
        stages = self.purifier.stages(views.images.flatten(0, 1), views.mask.flatten(0, 1))  # type: ignore[operator]
        coarse, refined = (
            transform.combine(stage.unflatten(0, views.mask.shape[:2]), views.mask)
            for stage in stages
        )
        return coarse, refined, views.mask.amax(dim=1)

    def _train_discriminator(self, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """One step of D on real and purified pictures, judged in one batch."""
        self.discriminator.requires_grad_(True)
        both = self.discriminator(*_judged(torch.cat((real, fake)), torch.cat((mask, mask))))
        loss = losses.discriminator_hinge(*both.chunk(2))
        self._descend(self.d_optimizer, loss, self.discriminator)
        self.discriminator.requires_grad_(False)
        return loss

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, network: nn.Module) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.budget["clip"] is not None:
            clip_grad_norm_(network.parameters(), self.budget["clip"])
        optimizer.step()

    def _parts(self) -> dict[str, Any]:
        return {
            "g": self.purifier,
            "d": self.discriminator,
            "g_optimizer": self.g_optimizer,
            "d_optimizer": self.d_optimizer,
        }

    def state_dict(self) -> dict[str, Any]:
        """Weights and moments of g and D."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])


def _judged(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What D sees: the picture in [-1, 1] and the mask."""
    return losses.signed(image), mask
