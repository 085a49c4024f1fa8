"""DMAE as a purifier: the denoising masked autoencoder of Wu et al. (2023), with pixels as targets.

A ViT encodes the tokens that are kept, and a smaller one predicts all tokens (paper, Section 4.1:
the AE-based purifier model). Names and shapes of the weights are the published ones. DMAE-Large has
width 1024, depth 24, heads 16; DMAE-Huge has patch 14, width 1280, depth 32, heads 16.
"""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.execution import Segment, without_autocast
from atop.method.reconstruction_loss import Images, Learn, Loss, Terms

with warnings.catch_warnings():  # about timm's use of a deprecated function of torch
    warnings.simplefilter("ignore", FutureWarning)
    from timm.layers import PatchEmbed
    from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
    from timm.models import vision_transformer as vit

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for every dataset (O16)


class Block(Segment, vit.Block):  # type: ignore[misc]
    """A block of a ViT, as published, that can be recomputed in the backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, width) -> the same."""
        return self.checkpointed(super().forward, x)


class DMAE(nn.Module):
    """Purifier (corrupted, mask) -> image, with random weights; the mask hides complete tokens.

    The defaults are DMAE-Base, which the paper's must be.

    Args:
        pixels: side length of the image.
        patch: side length of a token.
        width, depth, heads: of the encoder.
        decoder_width, decoder_depth, decoder_heads: of the decoder. Widths are multiples of 4.

    Raises:
        ValueError: the numbers do not divide.
    """

    def __init__(
        self,
        *,
        pixels: int = 224,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
    ) -> None:
        super().__init__()
        if pixels % patch or width % heads or decoder_width % decoder_heads:
            raise ValueError("patch must divide pixels, and heads their width")
        if width % 4 or decoder_width % 4:
            raise ValueError("widths must be multiples of 4")
        self.pixels, self.patch = pixels, patch
        norm = partial(nn.LayerNorm, eps=1e-6)

        def blocks(count: int, width: int, heads: int) -> nn.ModuleList:
            return nn.ModuleList(
                Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(count)
            )

        self.patch_embed = PatchEmbed(pixels, patch, 3, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = _positions(pixels // patch, width)
        self.blocks = blocks(depth, width, heads)
        self.norm = norm(width)

        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_width))
        self.decoder_pos_embed = _positions(pixels // patch, decoder_width)
        self.decoder_blocks = blocks(decoder_depth, decoder_width, decoder_heads)
        self.decoder_norm = norm(decoder_width)
        self.decoder_pred = nn.Linear(decoder_width, 3 * patch**2)

        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Initialise as published: layers and patch embedding uniform (Glorot), tokens normal."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.data.flatten(1))
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        """Corrupted (B,3,H,W) and mask (B,1,H,W), 1 = missing -> (B,3,H,W) in [0,1].

        Corrupted may leave [0,1], as unclipped noise does. Its missing pixels have no influence.

        Raises:
            AtopError: images of another size, or a mask that cuts a token or differs between images
                in the number of missing tokens.
        """
        return self.stages(corrupted, mask)[1]

    def stages(self, corrupted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the decoder's output, for L_mae, and the same clamped to [0,1]."""
        kept = self._kept(mask)
        latent = self._encode((corrupted - self.mean) / self.std, kept)
        predicted = self.unpatchify(self._decode(latent, kept)) * self.std + self.mean
        return predicted, predicted.clamp(0, 1)

    def _kept(self, mask: Tensor) -> Tensor:
        """Return the indices of the kept tokens, in order: (B, kept tokens) int64."""
        if mask.shape[2:] != (self.pixels, self.pixels):
            raise AtopError(
                f"DMAE: built for {self.pixels} pixels, not {mask.shape[-1]}; the option `pixels` "
                "in the preset, under purifiers, makes the defence resize images to it"
            )
        missing = F.max_pool2d(mask, self.patch).flatten(1)
        cut = (missing != -F.max_pool2d(-mask, self.patch).flatten(1)).any()
        count = (missing == 0).sum(dim=1)
        # The host waits for the device once, since shapes depend on the number of kept tokens.
        is_cut, fewest, most = torch.stack((cut, count.amin(), count.amax())).tolist()
        if is_cut or fewest != most:
            raise AtopError(
                f"DMAE: the mask is not made of whole tokens of {self.patch} pixels, as many in "
                "each image; the grid of the transform, in transforms.yaml or the preset, should "
                f"be {self.pixels // self.patch} or divide it"
            )
        return missing.argsort(dim=1, stable=True)[:, :most]

    def _encode(self, x: Tensor, kept: Tensor) -> Tensor:
        """Normalised images -> (B, 1 + kept tokens, width), the class token first."""
        tokens = self.patch_embed(x) + self.pos_embed[:, 1:]
        tokens = tokens.gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[2]))
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        tokens = torch.cat((first, tokens), dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)  # type: ignore[no-any-return]

    def _decode(self, latent: Tensor, kept: Tensor) -> Tensor:
        """Encoded tokens -> (B, all tokens, 3 patch^2) normalised pixels."""
        tokens = self.decoder_embed(latent)
        first, rest = tokens[:, :1], tokens[:, 1:]
        count = self.decoder_pos_embed.shape[1] - 1
        blank = self.mask_token.to(rest.dtype).expand(len(rest), count, -1)
        filled = blank.scatter(1, kept[:, :, None].expand_as(rest), rest)
        tokens = torch.cat((first, filled), dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            tokens = block(tokens)
        with without_autocast(tokens.device):  # bfloat16 has too few values up to 1 for pixels
            tokens = self.decoder_norm(tokens.to(self.mask_token.dtype))
            return self.decoder_pred(tokens)[:, 1:]  # type: ignore[no-any-return]

    def unpatchify(self, tokens: Tensor) -> Tensor:
        """(B, tokens, 3 patch^2), each token row by row with colours last -> (B,3,H,W)."""
        side = self.pixels // self.patch
        parts = tokens.view(-1, side, side, self.patch, self.patch, 3)
        return parts.permute(0, 5, 1, 3, 2, 4).reshape(-1, 3, self.pixels, self.pixels)


def _positions(side: int, width: int) -> nn.Parameter:
    """Return fixed sines and cosines of columns, then rows; zeros for the class token (as MAE)."""
    rows_first = build_sincos2d_pos_embed([side, side], width, interleave_sin_cos=True)
    table = torch.cat((torch.zeros(1, width), rows_first.roll(width // 2, dims=1)))
    return nn.Parameter(table[None], requires_grad=False)


class MaeLoss(Loss):
    """L_mae: mean squared error over all tokens, kept or not, in units of the colours' deviation.

    It is the published loss with `norm_pix_loss` off; see deviation O15.
    """

    def __init__(self) -> None:
        super().__init__()
        self.std: Tensor
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, target: Tensor, images: Images, missing: Tensor, learn: Learn) -> Terms:
        """Compare the target (B,3,H,W) in [0,1] with the decoder's output."""
        mae = F.mse_loss(images[0] / self.std, target / self.std)
        return mae, {"mae": mae}


build = DMAE


def build_loss(*, recipe: Mapping[str, Any]) -> MaeLoss:
    """Build the loss; it uses nothing of the recipe."""
    return MaeLoss()


def load_public(purifier: DMAE, state: Mapping[str, Any], *, source: str) -> None:
    """Fill a purifier strictly with a published file, which has the weights under "model".

    Its head predicts tokens standardised by their own mean and deviation. Here it predicts pixels,
    and has to be trained again (deviation O15).
    """
    checkpoints.fill(purifier, state.get("model", state), source=source)
