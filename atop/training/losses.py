"""The terms of L_org and of AToP (Eq. 5 and 9), each for pictures in [0, 1].

The authors' networks and losses live in [-1, 1]; `signed` maps there, so that the terms keep the
weights relative to each other that they were tuned with.
"""

import torch.nn.functional as F
from torch import Tensor


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


def classification(logits: Tensor, labels: Tensor) -> Tensor:
    """L_cls of Eq. 5 and 9: cross-entropy of f on the purified picture."""
    return F.cross_entropy(logits, labels)
