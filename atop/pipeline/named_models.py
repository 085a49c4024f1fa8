"""Models of other libraries by name, such as `torchvision:resnet50`.

`robustbench:ID`, under Linf, or `robustbench:THREAT/ID` is a model of its leaderboard.
`torchvision:NAME` and `timm:NAME` are classifiers of ImageNet; for ImageNette, ten of their logits
are kept. `NAME@none` has random weights.
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torchvision.transforms import Normalize

from atop.core.errors import AtopError
from atop.core.resizing import resize
from atop.experiment import config
from atop.method.robustbench_library import models
from atop.pipeline.checkpoints import download

IMAGENETTE = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)
"""The classes of ImageNette among those of ImageNet (github.com/fastai/imagenette)."""


class Resized(nn.Module):
    """(B, 3, H, W) in [0, 1] -> (B, classes) logits, by a network with a size and a normalisation.

    Args:
        network: on normalised images.
        pixels: side length of its images; resizing is bilinear.
        mean, std: of each channel.
        classes: places of the logits that are kept; None keeps all.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        pixels: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        classes: tuple[int, ...] | None,
    ) -> None:
        super().__init__()
        self.network, self.pixels, self.kept = network, pixels, classes
        self.scale = Normalize(mean, std)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(self.scale(resize(x, self.pixels)))
        return logits if self.kept is None else logits[:, list(self.kept)]


def model(text: str, dataset: str, folder: Path | None = None) -> nn.Module:
    """A model by LIBRARY:NAME, in evaluation mode.

    Args:
        text: the name.
        dataset: whose classes its logits are to have.
        folder: of weights that the user has; missing ones are downloaded.

    Raises:
        AtopError: no such library or model, or it has other classes than the dataset.
    """
    library, _, name = text.partition(":")
    if library == "robustbench":
        return _published(text, dataset, folder)
    name, _, weights = name.partition("@")
    if weights not in ("", "none"):
        raise AtopError(f"{text}: behind @ only none is known, for random weights")
    if library not in _LIBRARIES:
        raise AtopError(
            f"{text}: no library '{library}'; known are robustbench, {', '.join(_LIBRARIES)}"
        )
    try:
        network, shape = _LIBRARIES[library](name, pretrained=not weights)
    except (ValueError, RuntimeError, KeyError) as error:
        raise AtopError(f"{text}: {error}") from error
    return Resized(network, **shape, classes=_kept(text, network, dataset)).eval()


def _published(text: str, dataset: str, folder: Path | None) -> nn.Module:
    """A model of RobustBench's leaderboard; a folder's files are used instead of its host's."""
    from atop.method.classifiers import robustbench

    threat, _, name = text.partition(":")[2].rpartition("/")
    known, threat = config.full_dataset(dataset), threat or "Linf"
    classes = config.dataset(dataset).classes
    try:
        network = robustbench.build(classes=classes, model=name, dataset=known, threat=threat)
    except ValueError as error:
        raise AtopError(f"{text}: {error}") from error
    ids = models(known, threat)[name]["gdrive_id"]
    parts = [name] if isinstance(ids, str) else [f"{name}.pt_m{k}" for k in range(len(ids))]
    names = [f"robustbench/{known}/{threat}/{part}.pt" for part in parts]
    robustbench.load_public(network, [download.fetch(file, folder=folder) for file in names])
    return network.eval()


def _kept(text: str, network: nn.Module, dataset: str) -> tuple[int, ...] | None:
    wanted = config.dataset(dataset).classes
    outputs = _outputs(network)
    if outputs == wanted:
        return None
    if outputs == 1000 and config.full_dataset(dataset) == "imagenette":
        return IMAGENETTE
    raise AtopError(f"{text}: {outputs} classes, {dataset} has {wanted}")


def _outputs(network: nn.Module) -> int:
    """Outputs of the last linear layer or convolution."""
    kinds = (nn.Linear, nn.Conv2d)
    last = [module for module in network.modules() if isinstance(module, kinds)][-1]
    return last.out_features if isinstance(last, nn.Linear) else last.out_channels


def _torchvision(name: str, *, pretrained: bool) -> tuple[nn.Module, dict[str, Any]]:
    from torchvision import models

    weights = models.get_model_weights(name).DEFAULT
    network = models.get_model(name, weights=weights if pretrained else None)
    shape = weights.transforms()
    return network, {"pixels": shape.crop_size[0], "mean": shape.mean, "std": shape.std}


def _timm(name: str, *, pretrained: bool) -> tuple[nn.Module, dict[str, Any]]:
    import timm
    from timm.data import resolve_model_data_config

    network = timm.create_model(name, pretrained=pretrained)
    shape = resolve_model_data_config(network)
    return network, {"pixels": shape["input_size"][-1], "mean": shape["mean"], "std": shape["std"]}


_LIBRARIES = {"torchvision": _torchvision, "timm": _timm}
