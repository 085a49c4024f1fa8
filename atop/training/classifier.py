"""Standard training of a classifier f, on pictures or on what a transform leaves of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.data import Split
from atop.randomness import Randomness
from atop.training.augment import flip, shift
from atop.training.loop import Metrics
from atop.training.schedule import positions, set_rate


class ClassifierStage:
    """Cross-entropy with SGD and a cosine schedule; flips, and shifts of up to an eighth.

    Args:
        classifier: on its device, with initial weights.
        data: the training split, on the same device.
        size: side length in pixels of what `classify` takes.
        budget: epochs, batch, lr, momentum, weight_decay, label_smoothing.
        seed: orders, augments and draws.
        classify: pictures and their randomness -> logits of f; by default f alone.
    """

    def __init__(
        self,
        classifier: nn.Module,
        data: Split,
        *,
        size: int,
        budget: dict[str, Any],
        seed: int,
        classify: Callable[[Tensor, Randomness], Tensor] | None = None,
    ) -> None:
        self.classifier, self.data, self.size, self.seed = classifier, data, size, seed
        self.classify = classify or (lambda x, randomness: classifier(x))
        self.budget = budget
        self.batch: int = budget["batch"]
        self.steps: int = budget["epochs"] * (len(data) // self.batch)
        self.optimizer = torch.optim.SGD(
            classifier.parameters(),
            lr=budget["lr"],
            momentum=budget["momentum"],
            weight_decay=budget["weight_decay"],
            nesterov=True,
        )

    def step(self, number: int) -> Metrics:
        """One SGD step."""
        self.classifier.train()
        set_rate(
            self.optimizer, base=self.budget["lr"], schedule="cosine", progress=number / self.steps
        )
        where, epoch = positions(
            number, size=len(self.data), batch=self.batch, seed=self.seed, stream="classifier"
        )
        part = self.data.take(where.to(self.data.labels.device))
        randomness = Randomness(self.seed, "classifier", part.index, epoch)
        images = shift(flip(part.images, randomness), randomness, most=part.images.shape[1] // 8)
        logits = self.classify(replace(part, images=images).inputs(self.size), randomness)
        loss = F.cross_entropy(logits, part.labels, label_smoothing=self.budget["label_smoothing"])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        accuracy = (logits.argmax(1) == part.labels).float().mean()
        return {"loss": loss, "accuracy": accuracy}

    def state_dict(self) -> dict[str, Any]:
        """Weights and momentum."""
        return {"f": self.classifier.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.classifier.load_state_dict(state["f"])
        self.optimizer.load_state_dict(state["optimizer"])
