"""Passes: what runs over and over in a step, and all settings that its speed and memory follow.

Passes of equal settings are measured once, whatever cells they belong to.
"""

from dataclasses import dataclass, replace

from atop.core.values import Dict
from atop.experiment import config, training_budgets
from atop.experiment.cells import ANY, Cell

_OF_SPEED = ("gan", "l1_target", "attack_target", "classifier_range", "mask", "spectral_norm")
"""Keys of a recipe that change what a step of training computes."""

_STAGES = {
    "none": "L_org", "continued": "L_org", "adversarial": "AToP", "clean": "AToP, clean",
    "classifier": "tune",
}  # fmt: skip
"""What a fine-tuning is called."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Pictures through a defence, perhaps with their gradient.

    Attributes:
        preset, cell: whose networks run.
        pixels: side length of the pictures handed in.
        batch: how many of them at a time.
        draws: of the defence for each picture, at once as far as they fit.
        gradient: whether the pictures' gradient is asked for.
        how: train, attack, judge or evaluate: who looks, and so how the networks are run.
        through: what is differentiated, as in attacks.yaml.
    """

    preset: str
    cell: Cell
    pixels: int
    batch: int
    draws: int
    gradient: bool
    how: str
    through: str = "exact"

    @property
    def compute(self) -> Dict:
        """How the networks are run; a judge has them as the attack lays them out, in float32."""
        if self.how == "evaluate":
            return {}
        said = config.compute(self.preset, "train" if self.how == "train" else "attack")
        return {**said, "precision": "float32"} if said and self.how == "judge" else said

    @property
    def settings(self) -> Dict:
        """Networks and sizes, pictures and draws, and how the networks are run."""
        return {
            "networks": networks(self.preset, self.cell),
            "pictures": [self.pixels, self.batch, self.draws],
            "gradient": self.gradient,
            "through": self.through,
            "compute": self.compute,
        }

    @property
    def words(self) -> str:
        """Such as "gradient of rt2, deepfill, resnet18 at 32 pixels: 16 pictures, 20 draws"."""
        what = "gradient" if self.gradient else "logits"
        seen = f"{self.batch} pictures" + (f", {self.draws} draws" if self.draws > 1 else "")
        return f"{what} of {_told(self.cell)} at {self.pixels} pixels: {seen}"


@dataclass(frozen=True, kw_only=True)
class Training:
    """Pictures in the steps of a training stage.

    Attributes:
        preset, cell: whose networks run.
        verb: of `python -m atop`: classifier, pretrain or finetune.
    """

    preset: str
    cell: Cell
    verb: str

    @property
    def budget(self) -> Dict:
        """Of the stage."""
        if self.verb == "classifier":
            return training_budgets.classifier(self.preset, self.cell.dataset, self.cell.classifier)
        if self.verb == "pretrain":
            return training_budgets.pretrain(self.preset, self.cell.purifier)
        return training_budgets.finetune(self.preset, self.cell)

    @property
    def batch(self) -> int:
        """Pictures a step."""
        return self.budget["batch"]  # type: ignore[no-any-return]

    @property
    def settings(self) -> Dict:
        """Networks, losses and sizes, the batch, and how the networks are run."""
        preset, cell, budget = self.preset, self.cell, self.budget
        data = config.dataset(cell.dataset)
        recipe = config.recipe(cell.recipe, cell.transform, preset)
        against = budget.get("attack", "fgsm" if cell.finetune == "adversarial" else None)
        before = [replace(cell, transform=name) for name in budget.get("transforms", [])]
        return {
            "networks": networks(preset, cell),
            "batch": [self.batch, budget.get("parts", 1), budget.get("clip") is not None],
            "data": [data.pixels, data.shift > 0],
            "loss": config.purifier(cell.purifier, preset)["loss"] if cell.purifies else None,
            "recipe": {key: recipe[key] for key in _OF_SPEED} if cell.purifies else None,
            "transforms": [config.transform_of(preset, one) for one in before],
            "against": config.attack(against, preset) if against else None,
            "compute": config.compute(preset, "train"),
        }

    @property
    def words(self) -> str:
        """Such as "training (AToP) of rt2, deepfill, resnet18: 8 pictures"."""
        kind = _STAGES[self.cell.finetune] if self.verb == "finetune" else self.verb
        return f"training ({kind}) of {_told(self.cell)}: {self.batch} pictures"


Pass = Look | Training


def key_of(one: Pass) -> str:
    """The same for passes of equal settings."""
    return config.digest(type(one).__name__, one.settings)


def networks(preset: str, cell: Cell) -> Dict:
    """The networks of a cell as they are built, and the sizes at which they work."""
    named = cell.classifier != ANY
    row = config.classifier(cell.classifier).given() if named else {}
    built = [row.get("family"), row.get("options"), config.dataset(cell.dataset).classes]
    options = config.purifier(cell.purifier, preset, cell.dataset)["options"]
    recipe = config.recipe(cell.recipe, cell.transform, preset)
    return {
        "classifier": [*built, recipe["classifier_range"] if cell.purifies else None],
        "transform": config.transform_of(preset, cell),
        "purifier": [cell.purifier, options],
        "sizes": config.sizes(preset, cell),
    }


def random(preset: str, cell: Cell) -> bool:
    """Whether draws of a cell differ: whether anything is done to its pictures."""
    return config.transform_of(preset, cell)[0] != "none"


def _told(cell: Cell) -> str:
    parts = (
        "" if cell.transform == "none" else cell.transform,
        "" if cell.ablation == "none" else cell.ablation,
        cell.purifier if cell.purifies else "",
        "" if cell.classifier == ANY else cell.classifier,
    )
    return ", ".join(filter(None, parts))
