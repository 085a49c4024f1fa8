"""ImageNette, the second version at full size: ten classes of ImageNet, 9,469 + 3,925 pictures.

A picture is resized so that its shorter side has 256 pixels and cut to the square in its middle,
once, when it is fetched: what the authors' loader does with a test picture.
"""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from atop.data import _classes
from atop.data.source import Found, Layout, Source

SIDE = 256
CLASSES = [
    "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
    "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
]  # fmt: skip
OF_IMAGENET = "n01443537"
"""A class of ImageNet and not of ImageNette, whose pictures are split in another way."""


def _from_folder(folder: Path) -> Found:
    return _classes.read(folder, CLASSES, _square, test="val")


def _from_official(folder: Path) -> Found:
    """Download with torchvision, which checks the archive's MD5."""
    from torchvision.datasets import Imagenette

    Imagenette(folder, size="full", download=True)
    found = _from_folder(folder / "imagenette2")
    return replace(found, where="the official host", archive=True, published=True)


def _square(image: Image.Image) -> Image.Image:
    """Shorter side to 256 pixels, bilinear, and the middle of the longer one."""
    from torchvision.transforms import functional

    return functional.center_crop(functional.resize(image, SIDE), [SIDE, SIDE])  # type: ignore[no-any-return]


SOURCE = Source(
    title="ImageNette",
    page="https://github.com/fastai/imagenette (imagenette2.tgz)",
    layouts=(
        Layout(
            marker=f"val/{CLASSES[0]}",
            unless=f"val/{OF_IMAGENET}",
            about="{train,val}/WNID/*.JPEG",
            read=_from_folder,
        ),
    ),
    hosts={"official host": _from_official},
)
