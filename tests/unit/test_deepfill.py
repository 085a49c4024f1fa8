"""DeepFill: the public checkpoint's layout, per-example masks, finite gradients, clear errors."""

import pytest
import torch
from torch import Tensor

from atop.core.errors import AtopError
from atop.method.purifiers import deepfill
from atop.method.purifiers.deepfill import Discriminator, Generator
from atop.method.purifiers.deepfill.attention import ContextualAttention
from atop.method.purifiers.deepfill.checkpoint import FUSE_KEY, load_public
from atop.method.purifiers.deepfill.discriminator import SpectralNorm

# Shapes printed in the public code's terms: gated layers hold twice their channels, heads do not.
PUBLIC_SHAPES = {
    "stage1.conv1.conv.weight": (48, 5, 5, 5),
    "stage1.down_block1.conv1_downsample.conv.weight": (96, 24, 3, 3),
    "stage1.conv_bn3.conv.weight": (192, 96, 3, 3),
    "stage1.up_block1.conv1_upsample.conv.conv.weight": (96, 96, 3, 3),
    "stage1.up_block2.conv2.conv.weight": (24, 24, 3, 3),
    "stage1.conv_to_rgb.conv.weight": (3, 12, 3, 3),
    "stage2.conv_conv1.conv.weight": (48, 3, 5, 5),
    "stage2.conv_down_block1.conv1_downsample.conv.weight": (48, 24, 3, 3),
    "stage2.ca_down_block2.conv1_downsample.conv.weight": (192, 48, 3, 3),
    "stage2.contextual_attention.fuse_weight": (1, 1, 3, 3),
    "stage2.conv_bn6.conv.weight": (192, 192, 3, 3),
    "stage2.conv_to_rgb.conv.bias": (3,),
}


def test_state_dict_is_the_public_one() -> None:
    generator = Generator(48)
    shapes = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    assert len(shapes) == 85
    assert shapes.items() >= PUBLIC_SHAPES.items()
    assert _parameters(generator) == 4_052_478
    assert _parameters(generator.stage1) == 1_631_151


@pytest.mark.parametrize("size", [(32, 32), (48, 32)])
def test_every_example_uses_its_own_mask(size: tuple[int, int]) -> None:
    purifier = _purifier()
    images = torch.rand(3, 3, *size, dtype=torch.float64, generator=_generator())
    masks = torch.zeros(3, 1, *size, dtype=torch.float64)
    masks[1, :, :16] = 1
    masks[2, :, :, 16:] = 1
    together = purifier(images, masks)
    for i in range(3):
        alone = purifier(images[i : i + 1], masks[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-12)


def test_range_is_0_to_1_and_missing_pixels_have_no_influence() -> None:
    purifier = _purifier()
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64, generator=_generator())
    mask = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    mask[..., 8:24] = 1
    coarse, refined = purifier.stages(image, mask)
    for stage in (coarse, refined):
        assert stage.shape == image.shape
        assert stage.min() >= 0
        assert stage.max() <= 1
    assert torch.equal(purifier(image, mask), refined)
    signed = purifier.generator((2 * image - 1) * (1 - mask), mask)[1]
    torch.testing.assert_close(refined, (signed + 1) / 2, rtol=0, atol=1e-12)
    assert torch.equal(purifier(image * (1 - mask) + (1 - image) * mask, mask), refined)
    assert not torch.equal(purifier(image * mask, mask), refined)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("missing", [0.0, 1.0])
def test_gradients_are_finite_on_constant_images(value: float, missing: float) -> None:
    purifier = deepfill.build(width=8)
    image = torch.full((1, 3, 32, 32), value, requires_grad=True)
    purifier(image, torch.full((1, 1, 32, 32), missing)).sum().backward()
    gradients = [parameter.grad for parameter in purifier.parameters()]
    assert all(grad is not None and grad.isfinite().all() for grad in [image.grad, *gradients])


def test_attention_has_finite_gradient_at_zero_patches() -> None:
    features = torch.zeros(1, 4, 8, 8, requires_grad=True)
    ContextualAttention()(features, torch.zeros(1, 1, 32, 32)).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_attention_gradient_equals_finite_differences() -> None:
    features = 0.2 * torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=_generator())
    masks = torch.zeros(2, 1, 32, 32, dtype=torch.float64)
    masks[0, :, :8, :8] = 1
    attention = ContextualAttention()
    assert torch.autograd.gradcheck(lambda f: attention(f, masks), features.requires_grad_())


def test_attention_copies_only_known_patches() -> None:
    """With everything missing there is nothing to copy; a missing corner shows up nowhere."""
    attention = ContextualAttention()
    features = torch.rand(1, 2, 16, 16, generator=_generator())
    assert not attention(features, torch.ones(1, 1, 64, 64)).any()
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :8, :8] = 1
    features[..., :2, :2] = 1000.0
    assert attention(features, mask).max() < 2


@pytest.mark.parametrize("size", [(33, 32), (40, 32), (32, 40), (8, 8)])
def test_sizes_that_do_not_fit_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16, not {size[0]}x{size[1]}"):
        Generator(8)(torch.zeros(1, 3, *size), torch.zeros(1, 1, *size))


def test_mask_of_another_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="mask of shape"):
        Generator(8)(torch.zeros(2, 3, 32, 32), torch.zeros(1, 1, 32, 32))


def test_width_must_divide_by_four() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        Generator(6)


def test_load_public_takes_every_published_layout() -> None:
    source = Generator(8)
    plain = source.state_dict()
    snapshot = {f"generator.{key}": value for key, value in plain.items()}
    snapshot["res.conv1.weight"] = torch.zeros(1)
    no_buffer = {key: value for key, value in plain.items() if key != FUSE_KEY}
    for state in (plain, {"G": plain, "n_iter": 3}, {"G": snapshot}, {"G": no_buffer}):
        target = Generator(8)
        load_public(target, state)
        for key, value in target.state_dict().items():
            assert torch.equal(value, plain[key]), key


def test_load_public_names_what_is_wrong() -> None:
    good = Generator(8).state_dict()
    tf = {key.replace(".conv.", "."): value for key, value in good.items()}
    broken: dict[str, dict[str, Tensor]] = {
        "TF-compatible": tf,
        "no DeepFillv2 generator": {"layer1.weight": torch.zeros(1)},
        r"missing stage2\.conv_bn6\.conv\.bias": _without(good, "stage2.conv_bn6.conv.bias"),
        r"surplus stage3\.weight": {**good, "stage3.weight": torch.zeros(1)},
        r"stage1\.conv1\.conv\.weight is \(12, ": Generator(12).state_dict(),
        "not the identity kernel": {**good, FUSE_KEY: torch.ones(1, 1, 3, 3)},
    }
    for message, state in broken.items():
        with pytest.raises(AtopError, match=message) as error:
            load_public(Generator(8), {"G": state}, source="places2.pth")
        assert str(error.value).startswith("places2.pth: ")
        assert "\n" not in str(error.value)
    with pytest.raises(AtopError, match="'G' holds no state dict"):
        load_public(Generator(8), {"G": 3})


def test_in_place_discriminator_is_the_published_one() -> None:
    state = Discriminator(64, spectral_norm="in_place").state_dict()
    parts = ("weight", "bias", "weight_u")
    assert set(state) == {f"conv{k}.conv_sn.{part}" for k in range(1, 7) for part in parts}
    assert sum(tensor.numel() for key, tensor in state.items() if "_u" not in key) == 5_946_816
    assert state["conv3.conv_sn.weight_u"].shape == (256, 1)


@pytest.mark.parametrize(("size", "scores"), [(32, 16), (64, 16), (128, 64)])
@pytest.mark.parametrize("norm", ["parametrized", "in_place"])
def test_discriminator_scores(size: int, scores: int, norm: SpectralNorm) -> None:
    discriminator = deepfill.Discriminator(4, norm)
    image, mask = torch.rand(2, 3, size, size), torch.zeros(2, 1, size, size)
    output = discriminator(image, mask)
    assert output.shape == (2, scores)
    assert not torch.equal(output, discriminator(image, 1 - mask))


def test_in_place_norm_rescales_the_stored_weight_even_in_evaluation() -> None:
    discriminator = Discriminator(4, spectral_norm="in_place").eval()
    name = "conv2.conv_sn.weight"
    before = discriminator.state_dict()[name].clone()
    for _ in range(50):
        discriminator(torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))
    after = discriminator.state_dict()[name]
    assert not torch.allclose(before, after)
    torch.testing.assert_close(before / before.norm(), after / after.norm())
    assert torch.linalg.matrix_norm(after.flatten(1), ord=2).item() == pytest.approx(1, abs=0.01)


def test_parametrized_norm_leaves_the_stored_weight_and_survives_two_forwards() -> None:
    discriminator = Discriminator(4)
    name = "conv2.conv_sn.parametrizations.weight.original"
    before = discriminator.state_dict()[name].clone()
    mask = torch.zeros(1, 1, 32, 32)
    first = discriminator(torch.rand(1, 3, 32, 32), mask).mean()
    (first + discriminator(torch.rand(1, 3, 32, 32), mask).mean()).backward()
    assert torch.equal(before, discriminator.state_dict()[name])


def test_unknown_spectral_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="'in_place', not 'none'"):
        Discriminator(4, spectral_norm="none")  # type: ignore[arg-type]


def _purifier() -> deepfill.DeepFill:
    """A narrow float64 purifier with kernels large enough for the input to matter."""
    torch.manual_seed(0)
    purifier = deepfill.build(width=8).double()
    with torch.no_grad():
        for parameter in purifier.parameters():
            parameter.mul_(2)
    return purifier


def _parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def _without(state: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name != key}
