"""L_df of the GAN-based purifier (Eq. 9): L1 of both stages, and a discriminator's scores.

Published networks and losses use the range [-1, 1]; `signed` maps to it, so that the terms keep
their published relative weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.method.purifiers.deepfill.discriminator import Discriminator
from atop.method.reconstruction_loss import Images, Learn, Loss, Terms


class GanLoss(Loss):
    """L1 and, unless `gan` is off, -E[D(g(t(x)))]; D learns at the same time.

    Args:
        discriminator: D, with random weights.
        gan: full; detached: D learns, but its scores do not train the purifier; or off (B1).
    """

    def __init__(self, discriminator: Discriminator | None, *, gan: str) -> None:
        super().__init__()
        self.discriminator, self.gan = discriminator, gan

    def forward(self, target: Tensor, images: Images, missing: Tensor, learn: Learn) -> Terms:
        """Compare the target with the coarse and the refined image, all in [0, 1]."""
        coarse, refined = images
        terms = {"l1": reconstruction(target, coarse, refined)}
        if self.discriminator is None:
            return terms["l1"], terms
        terms["d"] = _teach(self.discriminator, target, refined.detach(), missing, learn)
        fake = refined if self.gan == "full" else refined.detach()
        terms["gan"] = adversarial_term(self.discriminator(signed(fake), missing))
        return terms["l1"] + terms["gan"], terms


def _teach(
    discriminator: Discriminator, real: Tensor, fake: Tensor, missing: Tensor, learn: Learn
) -> Tensor:
    """Take a step of D on real and purified images, in the same batch."""
    discriminator.requires_grad_(True)
    scores = discriminator(signed(torch.cat((real, fake))), torch.cat((missing, missing)))
    loss = discriminator_hinge(*scores.chunk(2))
    learn(loss)
    discriminator.requires_grad_(False)
    return loss


def signed(image: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return 2 * image - 1


def reconstruction(target: Tensor, coarse: Tensor, refined: Tensor) -> Tensor:
    """Return ||x - g(t(x))||_1 of Eq. 9 for both stages, mean over pixels (B3)."""
    return F.l1_loss(signed(coarse), signed(target)) + F.l1_loss(signed(refined), signed(target))


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Return D's loss: 0.5 E[relu(1 - D(x))] + 0.5 E[relu(1 + D(g(t(x))))] (deviation B2)."""
    return 0.5 * F.relu(1 - real).mean() + 0.5 * F.relu(1 + fake).mean()


def adversarial_term(fake: Tensor) -> Tensor:
    """Return -E[D(g(t(x)))] of Eq. 9, which g minimises."""
    return -fake.mean()
