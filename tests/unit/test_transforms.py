"""The random transforms of Section 3.1: missing patches, noise, and what comes back."""

import pytest
import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.method.transform import FixedMask, Transform, Views
from atop.method.transforms import none, rt1, rt2, rt3, tokens
from atop.pipeline import assemble

BATCH, SIZE, GRID = 6, 32, 8
RANDOMNESS = Randomness(0, "test", torch.arange(BATCH))
RT1 = rt1.build(grid=GRID, missing_rate=0.25)
RT3 = rt3.build(grid=GRID, masks=4, sigma=0.25)
TOKENS = tokens.build(grid=GRID, missing_rate=0.25, sigma=0.25, noise_pixels=SIZE)


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


@pytest.mark.parametrize("transform", [RT1, TOKENS])
def test_masks_differ_between_examples_and_draws_and_reach_every_patch(
    transform: Transform,
) -> None:
    index = torch.arange(300)
    x = torch.ones(300, 1, SIZE, SIZE)
    drawn = patches(transform(x, Randomness(0, "test", index)).mask)[:, 0, :, 0]
    assert len(drawn.unique(dim=0)) == 300
    again = patches(transform(x, Randomness(0, "test", index, draw=1)).mask)[:, 0, :, 0]
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


@pytest.mark.parametrize(
    ("masks", "noisy"),
    [
        (RT1, rt2.build(grid=GRID, missing_rate=0.0, sigma=0.05)),
        (TOKENS, tokens.build(grid=GRID, missing_rate=0.0, sigma=0.05, noise_pixels=SIZE)),
    ],
)
def test_noise_and_mask_do_not_know_each_other(masks: Transform, noisy: Transform) -> None:
    x = torch.full((300, 3, SIZE, SIZE), 0.5)
    randomness = Randomness(0, "test", torch.arange(300))
    where = patches(masks(x, randomness).mask)[:, 0, :, 0].nonzero()[:, 1].reshape(300, 16)
    whole = noisy(x, randomness)
    # From one stream of numbers, small ones among the first 16 would both send missing patches to
    # the front and make large noise in the first 16 pixels.
    size = (whole.images - 0.5).abs().flatten(1)[:, :16].mean(dim=1)
    both = torch.stack((where.float().mean(dim=1), size))
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.2


def test_rt2_clips_to_the_range_of_images() -> None:
    x = torch.full((BATCH, 3, SIZE, SIZE), 0.5)
    views = rt2.build(grid=GRID, missing_rate=0.0, sigma=0.25)(x, RANDOMNESS)
    values = views.images
    assert values.min() == 0
    assert values.max() == 1
    assert float((values == 1).float().mean()) == pytest.approx(0.0228, abs=0.004)  # beyond 2 sigma
    assert float(values.std()) == pytest.approx(0.2399, rel=0.02)  # a normal clipped at 2 sigma


def test_rt3_masks_are_disjoint_and_cover_the_image() -> None:
    views = RT3(images(), RANDOMNESS)
    assert views.images.shape == (BATCH, 4, 3, SIZE, SIZE)
    assert views.mask.shape == (BATCH, 4, 1, SIZE, SIZE)
    assert (views.mask.sum(dim=1) == 1).all()
    cut = patches(views.mask)
    assert (cut == cut[..., :1]).all()
    assert (cut[..., 0].sum(-1) == GRID**2 // 4).all()
    assert not torch.equal(views.mask[0], views.mask[1])


def test_rt3_views_show_one_noisy_image() -> None:
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


@pytest.mark.parametrize(
    ("grid", "rate", "there"),
    [(8, 0.25, 48), (8, 0.75, 16), (8, 0.26, 47), (8, 0.0, 64), (4, 0.9, 1)],
)
def test_a_fixed_number_of_whole_tokens_is_there(grid: int, rate: float, there: int) -> None:
    x = images()
    made = tokens.build(grid=grid, missing_rate=rate, sigma=0.25, noise_pixels=SIZE)
    views = made(x, RANDOMNESS)
    assert views.images.shape == (BATCH, 1, 3, SIZE, SIZE)
    assert views.mask.shape == (BATCH, 1, 1, SIZE, SIZE)
    side = SIZE // grid
    first = views.mask[..., ::side, ::side]
    assert torch.equal(views.mask, first.repeat_interleave(side, -1).repeat_interleave(side, -2))
    assert ((1 - first).flatten(1).sum(1) == there).all()
    assert (views.images * views.mask == 0).all()


def test_noise_on_tokens_is_gaussian_and_not_clipped() -> None:
    made = tokens.build(grid=GRID, missing_rate=0.75, sigma=0.25, noise_pixels=SIZE)
    x = images()
    views = made(x, RANDOMNESS)
    there = (views.mask == 0).expand_as(views.images)
    noise = (views.images - x[:, None])[there]
    assert abs(float(noise.mean())) < 0.01  # standard error 0.004
    assert float(noise.std()) == pytest.approx(0.25, rel=0.03)
    assert views.images.min() < -0.1
    assert views.images.max() > 1.1
    # As far out as a normal's: nothing was clipped anywhere.
    assert float((noise.abs() > 0.5).float().mean()) == pytest.approx(0.0455, abs=0.01)


def test_noise_on_tokens_differs_between_examples_draws_and_colours() -> None:
    made = tokens.build(grid=GRID, missing_rate=0.0, sigma=1.0, noise_pixels=SIZE)
    x = torch.zeros(BATCH, 3, SIZE, SIZE)
    both = [made(x, one).images.flatten(0, 2).flatten(1) for one in (RANDOMNESS, RANDOMNESS.at(1))]
    correlation = torch.corrcoef(torch.cat(both)) - torch.eye(2 * BATCH * 3)
    assert correlation.abs().max() < 0.15  # standard error 0.03


@pytest.mark.parametrize("small", [16, 20])
def test_noise_drawn_at_a_size_is_enlarged_with_the_image(small: int) -> None:
    few = Randomness(1, "pictures", torch.arange(BATCH)).uniform((3, small, small), "pixels")
    few = few.double()
    made = tokens.build(grid=GRID, missing_rate=0.25, sigma=0.25, noise_pixels=small)
    noisy = tokens.build(grid=1, missing_rate=0.0, sigma=0.25, noise_pixels=small)(few, RANDOMNESS)
    views = made(resize(few, SIZE), RANDOMNESS)
    expected = resize(noisy.images[:, 0], SIZE)[:, None] * (1 - views.mask)
    torch.testing.assert_close(views.images, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "there"), [("tokens", 147), ("tokens75", 49)])
def test_the_published_rates_at_the_published_sizes(name: str, there: int) -> None:
    cell = Cell(dataset="cifar10", classifier="resnet18", purifier="dmae", transform=name)
    transform = assemble.transform(presets.get("paper"), cell)
    assert isinstance(transform, tokens.Tokens)
    assert transform.noise_pixels == 32
    views = transform(torch.zeros(BATCH, 3, 224, 224), RANDOMNESS)
    assert ((1 - views.mask)[..., ::16, ::16].flatten(1).sum(1) == there).all()
    kept = views.images[:, 0, :, 3::7, 3::7]  # the middle of seven is one pixel of 32
    noise = kept[(views.mask[:, 0, :, 3::7, 3::7] == 0).expand_as(kept)]
    assert float(noise.std()) == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("transform", [none.build(), RT1, TOKENS])
def test_one_view_is_the_picture_kept_pixels_too(transform: Transform) -> None:
    views = transform(images(), RANDOMNESS)
    purified = images()[:, None].flip(0)
    assert torch.equal(transform.combine(purified, views.mask), purified[:, 0])


def test_one_mask_for_all_and_fresh_noise() -> None:
    x, usual = images(), rt2.build(grid=GRID, missing_rate=0.25, sigma=0.05)
    fixed = FixedMask(usual)
    views, again = fixed(x, RANDOMNESS), fixed(x, Randomness(0, "attack", RANDOMNESS.index, 7))
    assert (views.mask == views.mask[:1]).all()
    assert torch.equal(again.mask, views.mask)
    assert (patches(views.mask)[..., 0].sum(-1) == 16).all()
    both = ((views.mask + usual(x, RANDOMNESS).mask) == 0).expand_as(views.images)
    assert torch.equal(views.images[both], usual(x, RANDOMNESS).images[both])  # noise as before
    seen = (views.mask == 0).expand_as(views.images)
    assert not torch.equal(again.images[seen], views.images[seen])


def test_one_mask_for_all_of_several_views() -> None:
    fixed = FixedMask(RT3)
    views = fixed(images(), RANDOMNESS)
    assert (views.mask == views.mask[:1]).all()
    assert (views.mask.sum(dim=1) == 1).all()
    assert torch.equal(fixed.combine(views.images, views.mask), RT3.combine(*views))


def test_no_transform_hands_the_picture_on() -> None:
    x = images()
    assert torch.equal(none.build()(x, RANDOMNESS).images[:, 0], x)
    assert (none.build()(x, RANDOMNESS).mask == 0).all()


@pytest.mark.parametrize("transform", [RT1, RT3, TOKENS])
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
