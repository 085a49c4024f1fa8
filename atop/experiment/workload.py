"""Workloads: images that go through each operation of a stage, and what the stage stores.

Operations of equal settings take equal time and memory, whatever cells they belong to.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import ANY, Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.presets import ClassifierTraining, PurifierTraining

_RECIPE_KEYS = (
    "gan", "l1_target", "attack_target", "classifier_range", "mask", "spectral_norm",
)  # fmt: skip
"""Keys of a recipe that change what a training step computes."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Images through a defence, perhaps with their gradient.

    Attributes:
        preset, cell: of the networks.
        pixels: side length of the images.
        batch: images at a time.
        draws: of the defence for each image, at once as far as they fit.
        gradient: whether the gradient of the images is computed.
        mode: train, attack, judge or evaluate; decides the execution of the networks.
        through: what is differentiated, as in attacks.yaml.
    """

    preset: Preset
    cell: Cell
    pixels: int
    batch: int
    draws: int
    gradient: bool
    mode: str
    through: str = "exact"

    @property
    def compute(self) -> Dict:
        """Execution of the networks; a judge has the attack's, but in float32."""
        if self.mode == "evaluate":
            return {}
        execution = self.preset.execution("train" if self.mode == "train" else "attack").given()
        judge = execution and self.mode == "judge"
        return {**execution, "precision": "float32"} if judge else execution

    @property
    def key(self) -> str:
        """Digest of all that time and memory depend on; names rows of calibration files."""
        settings = {
            "networks": network_settings(self.preset, self.cell),
            "pictures": [self.pixels, self.batch, self.draws],
            "gradient": self.gradient,
            "through": self.through,
            "compute": self.compute,
        }
        return config.digest("Look", settings)

    def __str__(self) -> str:
        """Such as "gradient of rt2, deepfill, resnet18 at 32 pixels: 16 images, 20 draws"."""
        kind = "gradient" if self.gradient else "logits"
        draws = f", {self.draws} draws" if self.draws > 1 else ""
        return f"{kind} of {_label(self.cell)} at {self.pixels} pixels: {self.batch} images{draws}"


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """Images in the steps of a training stage.

    Attributes:
        preset, cell: of the networks.
        stage: classifier, pretrain, L_org, AToP, "AToP, clean" or tune.
        budget: of the stage.
        attack: adversarial examples that it trains on, if any.
    """

    preset: Preset
    cell: Cell
    stage: str
    budget: ClassifierTraining | PurifierTraining = field(hash=False)
    attack: str | None = None

    @property
    def batch(self) -> int:
        """Images a step."""
        return self.budget.batch

    @property
    def transforms(self) -> tuple[str, ...]:
        """Transforms that take turns, if they are not the cell's."""
        return getattr(self.budget, "transforms", ())

    @property
    def key(self) -> str:
        """Digest of all that time and memory depend on; names rows of calibration files."""
        preset, cell, budget = self.preset, self.cell, self.budget
        data, recipe = config.dataset(cell.dataset), preset.recipe(cell).given()
        clip = getattr(budget, "clip", None) is not None
        pixels = filter(None, [getattr(budget, "pixels", None)])
        before = [replace(cell, transform=name) for name in self.transforms]
        settings = {
            "networks": network_settings(preset, cell),
            "batch": [budget.batch, getattr(budget, "parts", 1), clip, *pixels],
            "data": [data.pixels, data.shift > 0],
            "loss": preset.purifier(cell.purifier).loss if cell.purifies else None,
            "recipe": {key: recipe[key] for key in _RECIPE_KEYS} if cell.purifies else None,
            "transforms": [preset.transform(each) for each in before],
            "against": preset.attack(self.attack) if self.attack else None,
            "compute": preset.execution("train"),
        }
        return config.digest("Training", settings)

    def __str__(self) -> str:
        """Such as "training (AToP) of rt2, deepfill, resnet18: 8 images"."""
        return f"training ({self.stage}) of {_label(self.cell)}: {self.batch} images"


Operation = Query | TrainingStep


@dataclass(kw_only=True)
class StageWorkload:
    """The workload of a stage.

    Attributes:
        images: by operation, each draw of an image counted.
        at_most: whether it may be less, since an attack stops early or leaves images alone.
        disk: bytes of the adversarial set that it stores.
        memory: bytes of images that it keeps in memory beside those of an operation.
    """

    images: Counter[Operation] = field(default_factory=Counter)
    at_most: bool = False
    disk: int = 0
    memory: int = 0


def network_settings(preset: Preset, cell: Cell) -> Dict:
    """Settings of a cell's networks and the sizes at which they work."""
    row = None if cell.classifier == ANY else config.classifier(cell.classifier).given()
    built = [row and row.get("family"), row and row.get("options")]
    classes = config.dataset(cell.dataset).classes
    signed = preset.recipe(cell).classifier_range if cell.purifies else None
    return {
        "classifier": [*built, classes, signed],
        "transform": preset.transform(cell),
        "purifier": [cell.purifier, preset.purifier(cell.purifier, cell.dataset).options],
        "sizes": preset.sizes(cell),
    }


def _label(cell: Cell) -> str:
    parts = (
        "" if cell.transform == "none" else cell.transform,
        "" if cell.ablation == "none" else cell.ablation,
        cell.purifier if cell.purifies else "",
        "" if cell.classifier == ANY else cell.classifier,
    )
    return ", ".join(filter(None, parts))
