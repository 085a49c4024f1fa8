"""Parts of defences as the shipped config has them."""

from atop import config
from atop.registry import build
from atop.transforms._base import Transform


def random_transform(name: str) -> Transform:
    """A random transform with its hyper-parameters, whatever a preset makes of them."""
    return build("transforms", name, **config.transform(name))  # type: ignore[no-any-return]
