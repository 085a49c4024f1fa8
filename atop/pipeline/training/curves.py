"""Training curves: accuracy on the validation split during fine-tuning."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from atop.core.execution import FLOAT32, Compute
from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.method.attack import Attack
from atop.method.defense import Defense


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Accuracy of a defence in percent, one draw for each image, at each call.

    Attributes:
        defense: its purifier or classifier is in training; it is measured in eval mode.
        sets: (N, 3, H, W) in [0, 1] by name: clean images, and adversarial ones.
        labels: (N,) of all sets.
        randomness: the same draw in all calls, so that calls differ by the weights alone.
        batch: images at a time.
        points: number of calls, evenly over the steps.
        compute: execution of the networks, as in training, since a point should be cheap.
    """

    defense: Defense
    sets: dict[str, Tensor]
    labels: Tensor
    randomness: Randomness
    batch: int
    points: int
    compute: Compute = FLOAT32

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        """Accuracy by name of the set."""
        modes = [(module, module.training) for module in self.defense.modules()]
        self.defense.eval()
        with self.compute.arithmetic():
            accuracies = {name: self._accuracy(x) for name, x in self.sets.items()}
        for module, training in modes:
            module.training = training
        return accuracies

    def _accuracy(self, x: Tensor) -> float:
        correct = 0
        for start in range(0, len(x), self.batch):
            part = slice(start, start + self.batch)
            logits = self.compute.run(self.defense, x[part], self.randomness.select(part))
            correct += int((logits.argmax(1) == self.labels[part]).sum())
        return 100 * correct / len(x)


def curve_of(
    defense: Defense,
    bare: Defense,
    images: Split,
    attacks: dict[str, Attack],
    *,
    seed: int,
    batch: int,
    points: int,
    compute: Compute = FLOAT32,
) -> Curve:
    """A curve on clean images, and on adversarial images of the bare classifier.

    Args:
        defense: t, g and f, of which one is in training.
        bare: f alone, which is attacked (grey box, as in the authors' log).
        images: of the validation split, on the device.
        attacks: by name.
        seed: of the draws.
        batch: images at a time.
        points: of the curve.
        compute: execution of the networks.
    """
    x, y = images.inputs(defense.sizes.input), images.labels
    draw = Randomness(seed, "curve", images.index)
    attack_draw = Randomness(seed, "curve_attack", images.index)
    sets = {"clean": x}
    target = partial(compute.run, bare)
    parts = [slice(start, start + batch) for start in range(0, len(x), batch)]
    with compute.arithmetic():
        for name, attack in attacks.items():
            batches = [attack(target, x[p], y[p], attack_draw.select(p)) for p in parts]
            sets[name] = torch.cat(batches)
    return Curve(
        defense=defense,
        sets=sets,
        labels=y,
        randomness=draw,
        batch=batch,
        points=points,
        compute=compute,
    )
