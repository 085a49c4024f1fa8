"""The terms of L_org and AToP by hand, and that each pulls where it should."""

import pytest
import torch
from torch import Tensor

from atop.method.purifiers.deepfill import loss as losses
from atop.method.reconstruction_loss import PixelLoss

GREY = torch.full((2, 3, 4, 4), 0.5)


def test_signed_maps_images_to_the_networks_range() -> None:
    assert losses.signed(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1.0, 0.0, 1.0]


def test_reconstruction_is_the_l1_distance_of_both_stages_in_the_networks_range() -> None:
    assert losses.reconstruction(GREY, GREY + 0.25, GREY) == pytest.approx(0.5)
    assert losses.reconstruction(GREY, GREY, GREY - 0.125) == pytest.approx(0.25)
    assert losses.reconstruction(GREY, GREY + 0.25, GREY - 0.125) == pytest.approx(0.75)
    half = GREY.clone()
    half[0] += 0.5  # one of two images: a mean, and of absolute values
    half[1] -= 0.25
    assert losses.reconstruction(GREY, half, GREY) == pytest.approx(0.75)
    assert losses.reconstruction(GREY, GREY, GREY) == 0


def test_discriminator_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.5])
    assert losses.discriminator_hinge(real, fake) == pytest.approx(0.5 * 0.25 + 0.5 * 0.75)
    assert losses.discriminator_hinge(torch.tensor([1.0]), torch.tensor([-1.0])) == 0
    assert losses.discriminator_hinge(torch.tensor([-1.0]), torch.tensor([1.0])) == 2


def test_the_discriminator_raises_real_scores_and_lowers_fake_ones() -> None:
    real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    losses.discriminator_hinge(real, fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()


def test_the_purifier_raises_fake_scores() -> None:
    fake = torch.tensor([1.0, -3.0], requires_grad=True)
    loss = losses.adversarial_term(fake)
    assert loss.item() == pytest.approx(1.0)
    loss.backward()
    assert fake.grad is not None
    assert fake.grad.tolist() == [-0.5, -0.5]


def test_pixels_are_compared_in_the_networks_range_and_only_those_of_the_last_image() -> None:
    target, missing = GREY.clone(), torch.ones(2, 1, 4, 4)
    target[0] += 0.5
    target[1] -= 0.25
    loss, terms = PixelLoss()(target, (target, GREY), missing, _never)
    assert loss == pytest.approx(0.75)
    assert terms == {"l1": loss}
    assert list(PixelLoss().parameters()) == []


def _never(loss: Tensor) -> None:
    raise AssertionError
