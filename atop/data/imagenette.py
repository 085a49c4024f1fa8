"""ImageNette, the second version at full size: ten classes of ImageNet, 9,469 + 3,925 images.

Fetching resizes the shorter side of an image to 256 pixels and crops the square in the middle, as
the authors' loader does with a test image.
"""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from atop.data import _classes
from atop.data.source import FoundDataset, Layout, Source

SIDE = 256
CLASSES = [
    "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
    "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
]  # fmt: skip
OF_IMAGENET = "n01443537"
"""A class of ImageNet that ImageNette lacks; ImageNet has other splits of the images."""


def _from_folder(folder: Path) -> FoundDataset:
    return _classes.read(folder, CLASSES, _square, test="val")


def _from_official(folder: Path) -> FoundDataset:
    """Download with torchvision, which checks the archive's MD5."""
    from torchvision.datasets import Imagenette

    Imagenette(folder, size="full", download=True)
    dataset = _from_folder(folder / "imagenette2")
    return replace(dataset, where="the official host", archive=True, published=True)


def _square(image: Image.Image) -> Image.Image:
    """Resize the shorter side to 256 pixels, bilinearly, and crop the middle of the longer one."""
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
