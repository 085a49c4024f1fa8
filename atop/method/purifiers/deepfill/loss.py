"""L_df of the GAN-based purifier (Eq. 9): L1 of both stages, and a discriminator's opinion.

Published networks and losses live in [-1, 1]; `signed` maps there, so that the terms keep the
weights relative to each other that they were tuned with.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.method.purifiers.deepfill.discriminator import Discriminator
from atop.method.reconstruction_loss import Learn, Loss, Pictures, Terms


class GanLoss(Loss):
    """L1 and, unless `gan` is off, -E[D(g(t(x)))], with D learning in passing.

    Args:
        discriminator: D, with random weights.
        gan: full; detached, when D learns and the purifier does not feel it; or off (B1).
    """

    def __init__(self, discriminator: Discriminator | None, *, gan: str) -> None:
        super().__init__()
        self.discriminator, self.gan = discriminator, gan

    def forward(self, target: Tensor, pictures: Pictures, missing: Tensor, learn: Learn) -> Terms:
        """Target and the coarse and refined picture, all in [0, 1]."""
        coarse, refined = pictures
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
    """One step of D on real and purified pictures, judged in one batch."""
    discriminator.requires_grad_(True)
    both = discriminator(signed(torch.cat((real, fake))), torch.cat((missing, missing)))
    loss = discriminator_hinge(*both.chunk(2))
    learn(loss)
    discriminator.requires_grad_(False)
    return loss


def signed(image: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return 2 * image - 1


def reconstruction(target: Tensor, coarse: Tensor, refined: Tensor) -> Tensor:
    """||x - g(t(x))||_1 of Eq. 9 for both stages of the generator, mean over pixels (B3)."""
    return F.l1_loss(signed(coarse), signed(target)) + F.l1_loss(signed(refined), signed(target))


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """What D minimises: 0.5 E[relu(1 - D(x))] + 0.5 E[relu(1 + D(g(t(x))))] (ledger B2)."""
    return 0.5 * F.relu(1 - real).mean() + 0.5 * F.relu(1 + fake).mean()


def adversarial_term(fake: Tensor) -> Tensor:
    """The term -E[D(g(t(x)))] of Eq. 9: what g minimises to be taken for real."""
    return -fake.mean()
