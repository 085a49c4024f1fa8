"""The balls of threat models: projection onto them and random starts in them."""

import pytest
import torch

from atop.core.randomness import Randomness
from atop.method.threat_models import project, random_start


def test_projection_is_the_nearest_picture_of_the_ball() -> None:
    x = torch.tensor([0.5, 0.5, 0.01, 0.99, 0.5])
    moved = torch.tensor([0.9, 0.1, -1.0, 2.0, 0.52])
    found = project(moved, x, 0.1, "Linf")
    torch.testing.assert_close(found, torch.tensor([0.6, 0.4, 0.0, 1.0, 0.52]))


def test_projection_on_an_l2_ball_keeps_the_direction() -> None:
    x = torch.full((2, 3, 2, 2), 0.5)
    delta = torch.zeros_like(x)
    delta[0, 0, 0], delta[1, 0, 0] = torch.tensor([0.3, -0.4]), torch.tensor([0.03, -0.04])
    found = project(x + delta, x, 0.1, "L2") - x
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([0.06, -0.08]))
    torch.testing.assert_close(found[1], delta[1])  # inside already


def test_a_random_start_fills_the_ball() -> None:
    x = torch.full((4000, 1, 1, 2), 0.5)
    delta = random_start(x, 0.1, "L2", Randomness(0, "a", torch.arange(4000))) - x
    radius = delta.flatten(1).norm(dim=1)
    assert radius.max() <= 0.1
    assert float((radius < 0.05).float().mean()) == pytest.approx(0.25, abs=0.03)  # by area
    assert delta.mean(0).abs().max() < 0.01
