"""Algorithm 1 as the authors' notebook takes a step of it, with what that costs in vain.

* The generator runs twice on one input, for L1 and D and once more for the cross-entropy: 390
  GFLOP a image of 256 pixels, of which 216 are needed.
* The term -mean D(g(t(x))) is a constant to the generator, and its backward runs through D all the
  same (an inference: nothing says that D's weights were frozen there; 9 of the 390).
* Attention goes through a batch image by image.
* Images are resized by PIL, one by one; noise is drawn on the CPU and moved; masks are numpy's.
* Everything is float32 and contiguous, and Adam updates one weight tensor after the other.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from atop.data.dataset import Split
from atop.method.purifiers.deepfill import Discriminator, Generator
from reference.attention import LoopAttention

EPS, SIGMA, MISSING, GRID, CE_WEIGHT, SEED = 8 / 255, 0.25, 0.25, 8, 0.05, 777
ADAM: dict[str, Any] = {"lr": 1e-4, "betas": (0.5, 0.999), "foreach": False, "fused": False}


class Images(Dataset[tuple[Tensor, int]]):
    """A split, a image at a time: (3, pixels, pixels) in [0, 1] and its label."""

    def __init__(self, split: Split, pixels: int) -> None:
        self.split = split.take(slice(None))
        self.transform = transforms.Compose(
            [transforms.Resize(pixels), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        )

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.split.images[place].numpy())
        return self.transform(image), int(self.split.labels[place])


def loader(split: Split, *, pixels: int, batch: int, workers: int) -> DataLoader[Any]:
    """Shuffled batches of x (B, 3, pixels, pixels) in [0, 1] and labels (B,)."""
    images = Images(split, pixels)
    return DataLoader(
        images, batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )


class Published:
    """Training of a generator and a discriminator (in-place spectral norm), which it changes.

    The classifier is frozen and receives [-1, 1] from the generator.
    """

    def __init__(
        self, *, generator: Generator, discriminator: Discriminator, classifier: nn.Module
    ) -> None:
        self.device = next(generator.parameters()).device
        generator.stage2.contextual_attention = LoopAttention().to(self.device)
        self.generator, self.discriminator = generator, discriminator
        self.classifier = classifier.eval().requires_grad_(False)
        self.optimizer = torch.optim.Adam(generator.parameters(), **ADAM)
        self.d_optimizer = torch.optim.Adam(discriminator.parameters(), **ADAM)
        self.numpy, self.torch = np.random.RandomState(SEED), torch.Generator().manual_seed(SEED)

    def step(
        self, x: Tensor, labels: Tensor, noise: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step on x (B, 3, H, W) in [0, 1]: l1, d, gan and ce.

        Noise (B, 3, H, W) of deviation 0.25 and mask (1, 1, H, W), 1 = missing, are drawn unless
        given.
        """
        x, labels = x.to(self.device), labels.to(self.device)
        adversarial = self._fgsm(x, labels)
        noise = self._noise(x) if noise is None else noise
        mask = self._mask(x) if mask is None else mask
        mask = mask.expand(len(x), -1, -1, -1)
        noisy = 2 * torch.clamp(adversarial + noise, 0, 1) - 1
        corrupted, target = noisy * (1 - mask), 2 * adversarial - 1

        coarse, refined = self.generator(corrupted, mask)
        d = self._teach(target, refined.detach(), mask)
        gan = -self.discriminator(refined.detach(), mask).mean()
        l1 = F.l1_loss(coarse, target) + F.l1_loss(refined, target)
        _, purified = self.generator(corrupted, mask)  # refined once more
        ce = F.cross_entropy(self.classifier(purified), labels)
        self.optimizer.zero_grad()
        (l1 + gan + CE_WEIGHT * ce).backward()
        self.optimizer.step()
        return {"l1": l1.detach(), "d": d, "gan": gan.detach(), "ce": ce.detach()}

    def _fgsm(self, x: Tensor, labels: Tensor) -> Tensor:
        """Adversarial images for the classifier alone."""
        x = x.clone().requires_grad_(True)
        loss = F.cross_entropy(self.classifier(x), labels)
        (gradient,) = torch.autograd.grad(loss, x)
        return torch.clamp(x + EPS * gradient.sign(), 0, 1).detach()

    def _teach(self, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """One step of D, by its hinge loss."""
        scores = self.discriminator(torch.cat((real, fake)), torch.cat((mask, mask)))
        on_real, on_fake = scores.chunk(2)
        loss = 0.5 * F.relu(1 - on_real).mean() + 0.5 * F.relu(1 + on_fake).mean()
        self.d_optimizer.zero_grad()
        loss.backward()
        self.d_optimizer.step()
        return loss.detach()

    def _noise(self, x: Tensor) -> Tensor:
        """For x's batch, on the CPU first."""
        return (SIGMA * torch.randn(x.shape, generator=self.torch)).to(self.device)

    def _mask(self, x: Tensor) -> Tensor:
        """One for the whole batch: exactly a quarter of 8x8 patches, repeated to x's size."""
        patches = np.zeros(GRID * GRID, dtype=np.float32)
        patches[: int(MISSING * GRID * GRID)] = 1
        self.numpy.shuffle(patches)
        mask = torch.from_numpy(patches).to(self.device).view(1, 1, GRID, GRID)
        return F.interpolate(mask, x.shape[-2:], mode="nearest")
