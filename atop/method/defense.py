"""The defence f(g(t(x))) of Eq. 1 as a module in [0, 1] space.

Sizes and ranges change only here. RobustBench, AutoAttack, foolbox and torchattacks can attack it.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.method.fresh_draws import FreshDraws, check_images
from atop.method.transform import Transform
from atop.method.user_module import UserModule


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Side lengths in pixels: of the attacker's images, the purifier g and the classifier f."""

    input: int
    purifier: int
    classifier: int


class Defense(nn.Module):
    """(B, 3, H, W) in [0, 1] -> (B, classes) logits.

    Args:
        transform: t.
        purifier: g.
        classifier: f, which may draw itself (user_module.py).
        sizes: side lengths of each step; resizing is bilinear (antialiased downwards) and
            differentiable.
        signed_classifier: f gets images in [-1, 1], as in the authors' notebooks (deviation B9).
        seed: of the draws of calls without randomness; None for others in each process.
    """

    def __init__(
        self,
        *,
        transform: Transform,
        purifier: nn.Module,
        classifier: nn.Module,
        sizes: Sizes,
        signed_classifier: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.transform, self.purifier, self.classifier = transform, purifier, classifier
        self.sizes, self.signed_classifier = sizes, signed_classifier
        self.fresh = FreshDraws(seed)

    @property
    def random(self) -> bool:
        """True if draws differ."""
        return getattr(self.transform, "random", True) or (
            isinstance(self.classifier, UserModule) and self.classifier.random
        )

    def forward(self, x: Tensor, randomness: Randomness | None = None) -> Tensor:
        """Classify after purification.

        Without `randomness`, as in attacks of other libraries, each call is a new draw.

        Raises:
            AtopError: without `randomness`: x is not in [0, 1], or a backward pass calls.
        """
        if randomness is None:
            check_images(x)
            randomness = self.fresh.of(x)
        return self.classify(self.purify(x, randomness), randomness)

    def purify(self, x: Tensor, randomness: Randomness | None = None) -> Tensor:
        """X (B, 3, H, W) in [0, 1] -> the purified image at the purifier's size, in [0, 1]."""
        randomness = randomness or self.fresh.of(x)
        views = self.transform(resize(x, self.sizes.purifier), randomness)
        purified = self.purifier(views.images.flatten(0, 1), views.mask.flatten(0, 1))
        return self.transform.combine(purified.unflatten(0, views.mask.shape[:2]), views.mask)

    def classify(self, x: Tensor, randomness: Randomness | None = None) -> Tensor:
        """Return the logits of an image in [0, 1] of any size; only an f of the user's draws."""
        x = resize(x, self.sizes.classifier)
        x = 2 * x - 1 if self.signed_classifier else x
        drawn = (randomness or self.fresh.of(x),) if isinstance(self.classifier, UserModule) else ()
        return self.classifier(x, *drawn)  # type: ignore[no-any-return]
