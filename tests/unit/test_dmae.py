"""DMAE: whose images and tokens matter to whom, what learns, what is refused, and its loss."""

from argparse import Namespace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from support.parts import TINY_DMAE
from torch import Tensor, nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.randomness import Randomness
from atop.method.purifiers import dmae
from atop.method.purifiers.dmae import DMAE, MaeLoss
from atop.method.transform import patch_ranks

GREY = torch.full((2, 3, 4, 4), 0.5)


def ranks(count: int = 3, *, grid: int = 8, seed: int = 0) -> Tensor:
    """(count, 1, 32, 32): each token's random rank."""
    randomness = Randomness(seed, "test", torch.arange(count))
    return patch_ranks(torch.zeros(count, 3, 32, 32), randomness, grid=grid)


def images(count: int = 3) -> Tensor:
    uniform = Randomness(1, "pictures", torch.arange(count)).uniform((3, 32, 32), "pixels")
    return uniform.double()


@pytest.fixture
def purifier() -> DMAE:
    """A tiny one in float64."""
    torch.manual_seed(0)
    return dmae.build(**TINY_DMAE).double()


@pytest.mark.parametrize("missing", [0, 1, 48, 63])
@pytest.mark.parametrize("grid", [2, 8])
def test_an_example_is_drawn_alike_in_any_company(purifier: DMAE, missing: int, grid: int) -> None:
    x, mask = images(), (ranks(grid=grid) < missing * grid**2 // 64).double()
    together = purifier(x, mask)
    assert together.shape == x.shape
    assert together.dtype == torch.float64
    for i in range(3):
        alone = purifier(x[i : i + 1], mask[i : i + 1])
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-12)
    for one, other in pairwise(together):
        assert (one - other).abs().max() > 1e-6


def test_a_token_is_known_by_its_place(purifier: DMAE) -> None:
    """The same tokens elsewhere make another image, with their places it is the same."""
    x, mask = images(1), (ranks(1) < 32).double()
    moved = purifier(x.roll(4, dims=-1), mask.roll(4, dims=-1)).roll(-4, dims=-1)
    assert (moved - purifier(x, mask)).abs().max() > 1e-3


def test_what_is_there_has_influence_everywhere_and_what_is_missing_none(purifier: DMAE) -> None:
    x, missing = images(1), ranks(1) < 48
    mask = missing.double()
    drawn = purifier.stages(x, mask)[0]
    noise = 10 * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    assert torch.equal(purifier.stages(x + noise * mask, mask)[0], drawn)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(purifier.stages(x, mask)[0].pow(2).sum(), x)
    assert torch.equal(gradient != 0, (~missing).expand_as(x))
    once = (ranks(1) == 50).double()  # one token that is there
    changed = purifier.stages(x + 0.1 * once, mask)[0] != drawn
    assert changed.float().mean() > 0.99


def test_images_come_back_within_0_and_1_and_the_loss_sees_them_before(purifier: DMAE) -> None:
    mask = (ranks() < 48).double()
    with torch.no_grad():
        purifier.decoder_pred.bias.copy_(torch.linspace(-4, 4, 48))
    drawn, image = purifier.stages(images(), mask)
    assert drawn.min() < -0.2
    assert drawn.max() > 1.2
    assert torch.equal(image, drawn.clamp(0, 1))
    assert torch.equal(purifier(images(), mask), image)


def test_a_head_that_says_0_draws_the_mean_colour_of_imagenet(purifier: DMAE) -> None:
    with torch.no_grad():
        purifier.decoder_pred.weight.zero_()
        purifier.decoder_pred.bias.copy_(torch.tensor([0.0, 1.0, -1.0]).repeat(16))
    drawn, _ = purifier.stages(images(), (ranks() < 48).double())
    colours = torch.tensor([0.485, 0.456 + 0.224, 0.406 - 0.225], dtype=torch.float64)
    torch.testing.assert_close(drawn, colours.view(3, 1, 1).expand_as(drawn), rtol=0, atol=1e-7)


@pytest.mark.parametrize("missing", [0, 48, 63])
def test_all_that_learns_learns_and_positions_stay(purifier: DMAE, missing: int) -> None:
    drawn, _ = purifier.stages(images(), (ranks() < missing).double())
    drawn.square().sum().backward()  # type: ignore[no-untyped-call]
    fixed = {name for name, one in purifier.named_parameters() if not one.requires_grad}
    assert fixed == {"pos_embed", "decoder_pos_embed"}
    for name, parameter in purifier.named_parameters():
        if name in fixed:
            assert parameter.grad is None
        elif name == "mask_token" and missing == 0:
            assert parameter.grad is not None
            assert (parameter.grad == 0).all()
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


def cut(mask: Tensor) -> Tensor:
    """As many tokens in each image all the same."""
    return mask[:1].expand_as(mask).roll(2, dims=-1)


def cut_the_other_way(mask: Tensor) -> Tensor:
    return mask[:1].expand_as(mask).roll(2, dims=-2)


def a_pixel_in_one_image(mask: Tensor) -> Tensor:
    changed = mask.clone()
    _, y, x = changed[1].nonzero()[-1]
    changed[1, 0, y, x] = 0  # the last of its token
    return changed


def one_token_more(mask: Tensor) -> Tensor:
    changed = mask.clone()
    changed[2] = (ranks()[2] < 17).double()
    return changed


@pytest.mark.parametrize("spoil", [cut, cut_the_other_way, a_pixel_in_one_image, one_token_more])
def test_masks_that_are_not_whole_tokens_as_many_in_each_image_are_refused(
    purifier: DMAE, spoil: Any
) -> None:
    mask = (ranks() < 16).double()
    purifier(images(), mask)
    with pytest.raises(AtopError, match="not made of whole tokens of 4 pixels") as told:
        purifier(images(), spoil(mask))
    assert "grid of the transform, in transforms.yaml or the preset, should be 8" in str(told.value)
    assert "\n" not in str(told.value)


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    network = dmae.build(**{**TINY_DMAE, "width": 64, "decoder_width": 48, "depth": 2})
    for name, value in network.named_parameters():
        parameter = value.detach()
        if name.endswith("token"):
            continue
        if name == "patch_embed.proj.weight" or (name.endswith("weight") and parameter.ndim == 2):
            kernel = parameter.flatten(1)
            bound = (6 / sum(kernel.shape)) ** 0.5
            assert bound * 0.98 < kernel.abs().max() <= bound, name
            assert float(kernel.std()) == pytest.approx(bound / 3**0.5, rel=0.05), name
        elif name.endswith("weight"):
            assert (parameter == 1).all(), name
        elif name.endswith("bias") and not name.startswith("patch_embed"):
            assert (parameter == 0).all(), name
    norms = [one for one in network.modules() if isinstance(one, nn.LayerNorm)]
    assert {one.eps for one in norms} == {1e-6}
    wide = dmae.build(
        **{**TINY_DMAE, "width": 2048, "depth": 0, "decoder_width": 2048, "decoder_depth": 0}
    )
    for token in (wide.cls_token.detach(), wide.mask_token.detach()):
        assert abs(float(token.mean())) < 0.002  # standard error 0.0004
        assert float(token.std()) == pytest.approx(0.02, rel=0.1)


def test_it_runs_in_mixed_precision(purifier: DMAE) -> None:
    x, mask = images(), (ranks() < 48).double()
    exact = purifier(x, mask)
    with torch.autocast("cpu", torch.bfloat16):
        found = purifier.float()(x.float(), mask.float())
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=0.05)


def test_training_and_evaluation_mode_draw_alike(purifier: DMAE) -> None:
    mask = (ranks() < 48).double()
    assert torch.equal(purifier.train()(images(), mask), purifier.eval()(images(), mask))


def test_a_file_as_published_is_read_and_loaded(tmp_path: Path) -> None:
    """Weights lie beside the moments of the optimizer and the options of the training loop."""
    theirs = dmae.build(**TINY_DMAE)
    path = tmp_path / "dmae-base.pth"
    content = {
        "model": theirs.state_dict(),
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}, "param_groups": []},
        "epoch": 1099,
        "scaler": {"scale": 65536.0},
        "args": Namespace(model="dmae_vit_base_patch16", sigma=0.25, norm_pix_loss=True, lr=None),
    }
    torch.save(content, path)
    network = dmae.build(**TINY_DMAE)
    dmae.load_public(network, checkpoints.read(path), source=str(path))
    for name, value in network.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name


def test_the_loss_is_the_mean_square_in_units_of_each_colours_deviation() -> None:
    off = torch.tensor([0.229, 2 * 0.224, -3 * 0.225]).view(3, 1, 1)
    loss, terms = MaeLoss()(GREY, (GREY + off, GREY), GREY[:, :1], _never)
    assert float(loss) == pytest.approx((1 + 4 + 9) / 3)
    assert terms == {"mae": loss}
    half = GREY.clone()
    half[0] += 0.5
    loss, _ = MaeLoss()(GREY, (half, GREY), GREY[:, :1], _never)
    mean = sum((0.5 / one) ** 2 for one in (0.229, 0.224, 0.225)) / 3
    assert float(loss) == pytest.approx(mean / 2)


def test_the_loss_weighs_all_tokens_alike_missing_or_not() -> None:
    mask = torch.zeros(2, 1, 4, 4)
    mask[..., :2] = 1
    missing = MaeLoss()(GREY, (GREY + mask, GREY), mask, _never)[0]
    seen = MaeLoss()(GREY, (GREY + 1 - mask, GREY), mask, _never)[0]
    assert float(missing) == pytest.approx(float(seen))
    assert missing > 1


def test_what_is_drawn_outside_0_and_1_is_punished_and_pulled_back() -> None:
    drawn = torch.full((1, 3, 4, 4), 1.5, requires_grad=True)
    loss, _ = MaeLoss()(torch.ones(1, 3, 4, 4), (drawn, drawn.clamp(0, 1)), drawn[:, :1], _never)
    assert loss > 4
    (gradient,) = torch.autograd.grad(loss, drawn)
    assert (gradient > 0).all()


def test_the_loss_has_no_networks_and_reads_no_recipe() -> None:
    loss = dmae.build_loss(recipe={})
    assert isinstance(loss, MaeLoss)
    assert not list(loss.parameters())


def _never(loss: Tensor) -> None:
    raise AssertionError("it has no networks that learn")


@pytest.mark.parametrize("wrong", [{"patch": 5}, {"heads": 3}, {"decoder_heads": 3}, {"width": 18}])
def test_numbers_that_do_not_divide_are_refused(wrong: dict[str, int]) -> None:
    options = {"width": 16, "heads": 2, "decoder_width": 16, "decoder_heads": 2, "patch": 4}
    with pytest.raises(ValueError, match=r"must (divide|be multiples of 4)"):
        dmae.build(pixels=32, depth=1, decoder_depth=1, **{**options, **wrong})


def test_images_of_another_size_are_refused(purifier: DMAE) -> None:
    with pytest.raises(AtopError, match="built for 32 pixels, not 48"):
        purifier(torch.zeros(1, 3, 48, 48), torch.zeros(1, 1, 48, 48))
