"""Our DMAE, its transform and its loss against the published ones (see make_dmae_fixtures.py)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from keys import read, shapes
from make_dmae_fixtures import randomness
from torch import Tensor
from weights import fill, images

from atop.core.errors import AtopError
from atop.core.randomness import Randomness
from atop.experiment import presets
from atop.method.purifiers import dmae
from atop.method.purifiers.dmae import MaeLoss
from atop.method.registry import build

FOLDER = Path(__file__).parent / "fixtures"
KEYS: list[str] = json.loads((FOLDER / "keys.json").read_text())["lists"]["dmae-base"]
SIZES: dict[str, dict[str, Any]] = {
    "base": presets.get("paper").purifier("dmae").options,
    "large": {"width": 1024, "depth": 24, "heads": 16},
    "huge": {"patch": 14, "width": 1280, "depth": 32, "heads": 16},
}


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    with np.load(FOLDER / "dmae.npz") as arrays:
        return {name: torch.from_numpy(value) for name, value in arrays.items()}


@pytest.fixture
def small() -> dmae.DMAE:
    """The network that is called SMALL there."""
    return dmae.build(
        pixels=32,
        patch=4,
        width=24,
        depth=2,
        heads=3,
        decoder_width=16,
        decoder_depth=1,
        decoder_heads=2,
    )


@dataclass(frozen=True)
class Given(Randomness):
    """Hands out the noise and the ranks of the fixtures."""

    ranks: Tensor | None = None

    def normal(self, shape: tuple[int, ...], purpose: str) -> Tensor:
        noise = torch.from_numpy(randomness()[0])
        assert noise.shape[1:] == shape
        return noise

    def permutation(self, size: int, purpose: str) -> Tensor:
        assert self.ranks is not None
        assert self.ranks.shape[1:] == (size,)
        return self.ranks


def on_meta(**options: Any) -> dmae.DMAE:
    """A network without memory, DMAE-Base by default."""
    with torch.device("meta"):
        return dmae.build(**options)


def layout() -> dict[str, Any]:
    """The content of DMAE-Base's public file, without memory."""
    names = read(KEYS)
    return {name: torch.empty(names[name], device="meta") for name in names}


def test_positions_are_the_published_ones(small: dmae.DMAE, published: dict[str, Any]) -> None:
    for ours, theirs in (("pos_embed", "encoder"), ("decoder_pos_embed", "decoder")):
        expected = published[f"positions_{theirs}"]
        torch.testing.assert_close(getattr(small, ours).data, expected, rtol=0, atol=1e-6)


def test_tokens_make_the_image_that_was_cut_into_them(
    small: dmae.DMAE, published: dict[str, Any]
) -> None:
    assert torch.equal(small.unpatchify(published["tokens"]), images(2, 32, 32, seed=18))


@pytest.mark.parametrize("rate", [25, 75])
def test_what_is_drawn_the_loss_and_its_gradient_are_the_published_ones(
    small: dmae.DMAE, published: dict[str, Any], rate: int
) -> None:
    fill(small.double(), seed=8)
    transform = build(
        "transforms", "tokens", grid=8, missing_rate=rate / 100, sigma=0.25, noise_pixels=32
    )
    x = images(2, 32, 32, seed=18).requires_grad_()
    views = transform(x, Given(0, "test", torch.arange(2), ranks=published[f"ranks_{rate}"]))
    missing = views.mask[:, 0]
    assert torch.equal(missing[:, 0, ::4, ::4].flatten(1), published[f"mask_{rate}"].double())
    pictures = small.stages(views.images[:, 0], missing)
    theirs = published[f"drawn_{rate}"] * small.std + small.mean
    torch.testing.assert_close(pictures[0], theirs, rtol=0, atol=1e-12)
    assert torch.equal(pictures[1], pictures[0].clamp(0, 1))
    loss, _ = MaeLoss()(x, pictures, missing, lambda _: None)
    # The published mean and deviation are float32.
    torch.testing.assert_close(loss, published[f"loss_{rate}"], rtol=1e-7, atol=0)
    (gradient,) = torch.autograd.grad(loss, x)
    expected = published[f"gradient_{rate}"]
    scale = float(expected.abs().max())
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-6 * scale)


def test_names_shapes_and_heads_are_those_of_dmae_base() -> None:
    for options in (SIZES["base"], {}):
        network = on_meta(**options)
        assert shapes(network.state_dict()) == read(KEYS)
        expected: list[tuple[Any, int]] = [(network.blocks, 12), (network.decoder_blocks, 16)]
        for blocks, heads in expected:
            assert {block.attn.num_heads for block in blocks} == {heads}


@pytest.mark.parametrize("size", SIZES)
def test_parameters_are_as_many_as_published(size: str, published: dict[str, Any]) -> None:
    parameters = list(on_meta(**SIZES[size]).parameters())
    fixed = sum(one.numel() for one in parameters if not one.requires_grad)
    expected = published["sizes"][list(SIZES).index(size)].tolist()
    assert [sum(one.numel() for one in parameters), fixed] == expected
    if size == "base":
        assert expected == [111_907_840, 252_160]


def test_the_public_layout_loads_in_any_order() -> None:
    network, state = on_meta(), layout()
    dmae.load_public(network, {"model": state, "epoch": 1099}, source="x.pth")
    turned = dict(reversed(state.items()))
    dmae.load_public(network, {"model": turned}, source="x.pth")
    dmae.load_public(network, turned, source="x.pth")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"blocks.11.attn.qkv.bias": None}, r"missing blocks\.11\.attn\.qkv\.bias;"),
        ({"head.weight": (1000, 768)}, r"surplus head\.weight;"),
        ({"cls_token": (1, 1, 1024)}, r"cls_token is \(1, 1, 1024\), the network"),
        ({"pos_embed": (1, 257, 768)}, r"pos_embed is \(1, 257, 768\)"),
    ],
)
def test_weights_of_another_network_are_refused(changes: dict[str, Any], reason: str) -> None:
    added = {name: torch.empty(shape) for name, shape in changes.items() if shape}
    state = {name: one for name, one in layout().items() if name not in changes} | added
    with pytest.raises(
        AtopError, match=rf"^x\.pth: weights of another network: .*{reason}"
    ) as told:
        dmae.load_public(on_meta(), {"model": state}, source="x.pth")
    assert "\n" not in str(told.value)
