"""The random transforms of Section 3.1: missing patches, noise, and what comes back."""

import pytest
import torch
from torch import Tensor

from atop.randomness import Randomness
from atop.transforms import none, rt1, rt2, rt3
from atop.transforms._base import Transform, Views

BATCH, SIZE, GRID = 6, 32, 8
RANDOMNESS = Randomness(0, "test", torch.arange(BATCH))
RT1 = rt1.build(grid=GRID, missing_rate=0.25)
RT3 = rt3.build(grid=GRID, masks=4, sigma=0.25)


def images() -> Tensor:
    """Pictures without a pixel at 0 or 1."""
    return Randomness(1, "pictures", torch.arange(BATCH)).uniform((3, SIZE, SIZE), "pixels")


def patches(mask: Tensor) -> Tensor:
    """(..., 1, H, W) -> (..., 64, pixels of a patch)."""
    side = SIZE // GRID
    cut = mask.unflatten(-1, (GRID, side)).unflatten(-3, (GRID, side)).transpose(-3, -2)
    return cut.flatten(-2).flatten(-3, -2).squeeze(-3)


@pytest.mark.parametrize(("rate", "count"), [(0.25, 16), (0.5, 32), (0.26, 16), (0.0, 0)])
def test_rt1_misses_a_fixed_number_of_whole_patches(rate: float, count: int) -> None:
    views = rt1.build(grid=GRID, missing_rate=rate)(images(), RANDOMNESS)
    assert views.images.shape == (BATCH, 1, 3, SIZE, SIZE)
    assert views.mask.shape == (BATCH, 1, 1, SIZE, SIZE)
    cut = patches(views.mask)
    assert cut.shape[-2:] == (GRID**2, (SIZE // GRID) ** 2)
    assert (cut == cut[..., :1]).all()
    assert (cut[..., 0].sum(-1) == count).all()


def test_rt1_zeroes_what_is_missing_and_touches_nothing_else() -> None:
    x = images()
    views = RT1(x, RANDOMNESS)
    missing = views.mask.expand_as(views.images) == 1
    assert (views.images[missing] == 0).all()
    assert torch.equal(views.images[~missing], x[:, None][~missing])


def test_rt1_masks_differ_between_examples_and_draws_and_reach_every_patch() -> None:
    index = torch.arange(300)
    x = torch.ones(300, 1, SIZE, SIZE)
    drawn = patches(RT1(x, Randomness(0, "test", index)).mask)[:, 0, :, 0]
    assert len(drawn.unique(dim=0)) == 300
    again = patches(RT1(x, Randomness(0, "test", index, draw=1)).mask)[:, 0, :, 0]
    assert not (drawn == again).all(dim=1).any()
    assert (drawn.mean(0) - 0.25).abs().max() < 0.1  # each patch: standard error 0.025


def test_rt2_adds_gaussian_noise_per_pixel_and_channel_and_then_masks_as_rt1() -> None:
    x = torch.full((BATCH, 3, SIZE, SIZE), 0.5)
    views = rt2.build(grid=GRID, missing_rate=0.25, sigma=0.05)(x, RANDOMNESS)
    assert torch.equal(views.mask, RT1(x, RANDOMNESS).mask)
    missing = views.mask.expand_as(views.images) == 1
    assert (views.images[missing] == 0).all()
    noise = views.images[~missing] - 0.5
    assert abs(float(noise.mean())) < 0.002
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    red, green, _ = views.images[0, 0].flatten(1)
    kept = views.mask[0, 0, 0].flatten() == 0
    assert abs(float(torch.corrcoef(torch.stack((red[kept], green[kept])))[0, 1])) < 0.15


def test_noise_and_mask_do_not_know_each_other() -> None:
    x = torch.full((300, 3, SIZE, SIZE), 0.5)
    randomness = Randomness(0, "test", torch.arange(300))
    where = patches(RT1(x, randomness).mask)[:, 0, :, 0].nonzero()[:, 1].reshape(300, 16)
    whole = rt2.build(grid=GRID, missing_rate=0.0, sigma=0.05)(x, randomness)
    # From one stream of numbers, small ones among the first 16 would both send missing patches to
    # the front and make large noise in the first 16 pixels.
    size = (whole.images - 0.5).abs().flatten(1)[:, :16].mean(dim=1)
    both = torch.stack((where.float().mean(dim=1), size))
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.2


def test_rt2_clips_to_the_range_of_pictures() -> None:
    x = torch.full((BATCH, 3, SIZE, SIZE), 0.5)
    views = rt2.build(grid=GRID, missing_rate=0.0, sigma=0.25)(x, RANDOMNESS)
    values = views.images
    assert values.min() == 0
    assert values.max() == 1
    assert float((values == 1).float().mean()) == pytest.approx(0.0228, abs=0.004)  # beyond 2 sigma
    assert float(values.std()) == pytest.approx(0.2399, rel=0.02)  # a normal clipped at 2 sigma


def test_rt3_masks_are_disjoint_and_cover_the_picture() -> None:
    views = RT3(images(), RANDOMNESS)
    assert views.images.shape == (BATCH, 4, 3, SIZE, SIZE)
    assert views.mask.shape == (BATCH, 4, 1, SIZE, SIZE)
    assert (views.mask.sum(dim=1) == 1).all()
    cut = patches(views.mask)
    assert (cut == cut[..., :1]).all()
    assert (cut[..., 0].sum(-1) == GRID**2 // 4).all()
    assert not torch.equal(views.mask[0], views.mask[1])


def test_rt3_views_show_one_noisy_picture() -> None:
    x = images()
    views = RT3(x, RANDOMNESS)
    assert (views.images * views.mask == 0).all()
    noisy = views.images.amax(dim=1)  # every pixel is kept by three of four views
    kept = (views.mask == 0).expand_as(views.images)
    assert torch.equal(views.images[kept], noisy[:, None].expand_as(views.images)[kept])
    assert float((noisy - x).std()) > 0.1


def test_rt3_takes_of_each_view_what_it_generated() -> None:
    mask = RT3(images(), RANDOMNESS).mask
    number = torch.arange(1.0, 5.0).view(1, 4, 1, 1, 1)
    purified = number.expand(BATCH, 4, 3, SIZE, SIZE)
    combined = RT3.combine(purified, mask)
    assert torch.equal(combined, (mask.argmax(dim=1) + 1.0).expand(BATCH, 3, SIZE, SIZE))


@pytest.mark.parametrize("transform", [none.build(), RT1])
def test_one_view_is_the_picture_kept_pixels_too(transform: Transform) -> None:
    views = transform(images(), RANDOMNESS)
    purified = images()[:, None].flip(0)
    assert torch.equal(transform.combine(purified, views.mask), purified[:, 0])


def test_no_transform_hands_the_picture_on() -> None:
    x = images()
    assert torch.equal(none.build()(x, RANDOMNESS).images[:, 0], x)
    assert (none.build()(x, RANDOMNESS).mask == 0).all()


@pytest.mark.parametrize("transform", [RT1, RT3])
@pytest.mark.parametrize("size", [(36, 32), (32, 36)])
def test_sizes_that_do_not_divide_are_refused(transform: Transform, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"does not divide into 8x8"):
        transform(torch.zeros(BATCH, 3, *size), RANDOMNESS)


def test_masks_that_do_not_divide_the_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="do not divide into 5 masks"):
        rt3.build(grid=GRID, masks=5, sigma=0.25)


def test_a_picture_need_not_be_square() -> None:
    views: Views = RT1(torch.ones(BATCH, 3, 16, 32), RANDOMNESS)
    assert (views.mask.sum(dim=(1, 2, 3, 4)) == 16 * 32 / 4).all()
