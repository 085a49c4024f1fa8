"""Training curves: accuracy on pictures that no training sees, while a purifier is fine-tuned."""

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
    """Accuracy of a defence in percent, one draw of it for each picture, whenever it is called.

    Attributes:
        defense: whose purifier or classifier is in training; it is at rest while it is measured.
        sets: (N, 3, H, W) in [0, 1] by name: clean pictures, and adversarial ones.
        labels: (N,) of all of them.
        randomness: the draw that every call takes, so that calls differ by the weights alone.
        batch: pictures at a time.
        points: how often it is to be called, evenly over the steps.
        compute: how the networks are run, here too: a point is to be cheap.
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
        modes = [(one, one.training) for one in self.defense.modules()]
        self.defense.eval()
        with self.compute.arithmetic():
            found = {name: self._accuracy(x) for name, x in self.sets.items()}
        for one, training in modes:
            one.training = training
        return found

    def _accuracy(self, x: Tensor) -> float:
        right = 0
        for start in range(0, len(x), self.batch):
            few = slice(start, start + self.batch)
            logits = self.compute.run(self.defense, x[few], self.randomness.select(few))
            right += int((logits.argmax(1) == self.labels[few]).sum())
        return 100 * right / len(x)


def curve_of(
    defense: Defense,
    bare: Defense,
    pictures: Split,
    attacks: dict[str, Attack],
    *,
    batch: int,
    points: int,
    compute: Compute = FLOAT32,
) -> Curve:
    """A curve on clean pictures and on what attacks make of them on the bare classifier.

    Args:
        defense: t, g and f, of which one is in training.
        bare: f alone, which is attacked (grey box, as in the authors' log).
        pictures: held out of training, on the device.
        attacks: by name.
        batch: pictures at a time.
        points: of the curve.
        compute: how the networks are run.
    """
    x, y = pictures.inputs(defense.sizes.input), pictures.labels
    draw = Randomness(defense.seed, "curve", pictures.index)
    made = Randomness(defense.seed, "curve_attack", pictures.index)
    sets = {"clean": x}
    target = partial(compute.run, bare)
    parts = [slice(start, start + batch) for start in range(0, len(x), batch)]
    with compute.arithmetic():
        for name, attack in attacks.items():
            found = [attack(target, x[few], y[few], made.select(few)) for few in parts]
            sets[name] = torch.cat(found)
    return Curve(
        defense=defense,
        sets=sets,
        labels=y,
        randomness=draw,
        batch=batch,
        points=points,
        compute=compute,
    )
