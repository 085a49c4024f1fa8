"""Training of a classifier f on images, on transformed images, or on adversarial examples."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.core import stats
from atop.core.execution import FLOAT32, Compute
from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment.settings.presets import ClassifierTraining
from atop.method.attack import Attack, Target
from atop.pipeline.training.augment import flip, shift
from atop.pipeline.training.loop import Metrics
from atop.pipeline.training.schedule import positions, set_rate


class ClassifierTrainer:
    """Steps of cross-entropy with SGD and a cosine schedule; flips, shifts of up to an eighth.

    Args:
        classifier: on its device, with initial weights.
        data: the training split, on the same device.
        size: side length in pixels of the input of `classify`.
        budget: of the training.
        seed: of the order, the augmentation and the draws.
        classify: images and their randomness -> logits of f; by default f alone.
        attack: makes adversarial examples on the current f to train on (Madry et al., 2018).
        compute: execution of the networks; the loss is computed in float32.
    """

    def __init__(
        self,
        classifier: nn.Module,
        data: Split,
        *,
        size: int,
        budget: ClassifierTraining,
        seed: int,
        classify: Target | None = None,
        attack: Attack | None = None,
        compute: Compute = FLOAT32,
    ) -> None:
        self.classifier, self.data, self.size, self.seed = classifier, data, size, seed
        target: Target = classify or (lambda x, randomness: classifier(x))
        self.classify: Target = partial(compute.run, target)
        self.attack, self.budget, self.compute = attack, budget, compute
        compute.prepare(classifier)
        self.batch, self.steps = budget.batch, budget.steps(len(data))
        self.optimizer = torch.optim.SGD(
            classifier.parameters(),
            lr=budget.lr,
            momentum=budget.momentum,
            weight_decay=budget.weight_decay,
            nesterov=True,
            fused=next(classifier.parameters()).is_cuda or None,
        )

    def step(self, number: int) -> Metrics:
        """Take one SGD step."""
        progress = number / self.steps
        set_rate(self.optimizer, base=self.budget.lr, schedule="cosine", progress=progress)
        where, epoch = positions(
            number,
            size=len(self.data),
            batch=self.batch,
            seed=self.seed,
            stream="classifier",
            device=self.data.labels.device,
        )
        part = self.data.take(where)
        randomness = Randomness(self.seed, "classifier", part.index, epoch)
        images = shift(flip(part.images, randomness), randomness, most=part.images.shape[1] // 8)
        x = replace(part, images=images).inputs(self.size)
        smoothing = self.budget.label_smoothing
        self.optimizer.zero_grad()
        with self.compute.arithmetic():
            logits = self._logits(x, part.labels, randomness)
            loss = F.cross_entropy(logits, part.labels, label_smoothing=smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        accuracy = (logits.argmax(1) == part.labels).float().mean()
        return {"loss": loss, "accuracy": accuracy}

    def _logits(self, x: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        """Logits of images or, with an attack, of adversarial examples on f in eval mode."""
        if self.attack is not None:
            self.classifier.eval()
            x = self.attack(self.classify, x, labels, randomness).detach()
        self.classifier.train()
        return self.classify(x, randomness)

    def state_dict(self) -> dict[str, Any]:
        """Weights and momentum."""
        return {"f": self.classifier.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.classifier.load_state_dict(state["f"])
        self.optimizer.load_state_dict(state["optimizer"])


@torch.no_grad()
@FLOAT32.arithmetic()
def accuracy(classifier: nn.Module, split: Split, *, size: int, batch: int) -> dict[str, float]:
    """Accuracy of f in eval mode on a split, in percent, with its Wilson interval."""
    classifier.eval()
    correct = 0
    for start in range(0, len(split), batch):
        part = split.take(slice(start, start + batch))
        correct += int((classifier(part.inputs(size)).argmax(1) == part.labels).sum())
    return {"n": len(split), **stats.wilson(successes=correct, n=len(split))._asdict()}
