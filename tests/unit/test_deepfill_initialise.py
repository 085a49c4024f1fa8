"""A generator before training from scratch passes the image through, and every weight can learn."""

import pytest
import torch
from torch import Tensor

from atop.method.purifiers import deepfill
from atop.method.purifiers.deepfill.layers import GatedConv


def _images() -> tuple[Tensor, Tensor]:
    """Smooth images at 64 pixels, with a missing square in the middle of each."""
    coarse = torch.rand(4, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    images = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic").clamp(0, 1)
    mask = torch.zeros(4, 1, 64, 64)
    mask[..., 24:40, 24:40] = 1
    return images, mask


@pytest.mark.parametrize("width", [12, 16, 48])
def test_known_pixels_pass_through_both_stages(width: int) -> None:
    torch.manual_seed(0)
    images, mask = _images()
    with torch.no_grad():
        stages = deepfill.build(width=width).stages(images * (1 - mask), mask)
    inside = torch.zeros_like(mask, dtype=torch.bool)
    inside[..., 8:16, 8:56] = True  # far from the border and from the missing square
    for stage in stages:
        pairs = torch.stack((stage, images)).masked_select(inside).view(2, -1)
        assert torch.corrcoef(pairs)[0, 1] > 0.95
        assert (pairs[0] - pairs[1]).abs().mean() < 0.05


def test_missing_pixels_are_grey() -> None:
    torch.manual_seed(0)
    images, mask = _images()
    with torch.no_grad():
        purified = deepfill.build(width=16)(images * (1 - mask), mask)
    assert (purified[..., 29:35, 29:35] - 0.5).abs().max() < 0.2


def test_noise_is_averaged() -> None:
    torch.manual_seed(0)
    images, mask = torch.full((2, 3, 64, 64), 0.5), torch.zeros(2, 1, 64, 64)
    noise = 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        purified = deepfill.build(width=16)(images + noise, mask)
    assert purified[..., 16:48, 16:48].std() < 0.3 * noise.std()


def test_a_narrow_generator_carries_what_it_can() -> None:
    torch.manual_seed(0)
    images, mask = _images()
    purified = deepfill.build(width=4)(images, torch.zeros_like(mask)).detach()
    first, third = (
        torch.corrcoef(torch.stack((purified[:, c].flatten(), images[:, c].flatten())))[0, 1]
        for c in (0, 2)
    )
    assert first > 0.9
    assert third < 0.5


@pytest.mark.parametrize("width", [8, 16])
def test_the_signal_keeps_its_size_through_every_layer(width: int) -> None:
    torch.manual_seed(0)
    images, mask = _images()
    purifier = deepfill.build(width=width)
    sizes: list[Tensor] = []
    for module in purifier.modules():
        if isinstance(module, GatedConv):
            module.register_forward_hook(
                lambda module, inputs, output: sizes.append(output.square().mean().sqrt())
            )
    purifier(images * (1 - mask), mask)
    assert len(sizes) == 40
    assert min(sizes) > 0.1
    assert max(sizes) < 3


def test_every_weight_gets_a_gradient_at_the_start() -> None:
    torch.manual_seed(0)
    images, mask = _images()
    purifier = deepfill.build(width=16)
    coarse, refined = purifier.stages(images * (1 - mask), mask)
    ((coarse - images).abs().mean() + (refined - images).abs().mean()).backward()  # type: ignore[no-untyped-call]
    still = [name for name, weight in purifier.named_parameters() if not weight.grad.any()]  # type: ignore[union-attr]
    assert still == []
