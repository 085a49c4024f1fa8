"""A preset (presets/*.yaml): on which data, networks and budgets everything runs."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, model_validator

from atop.experiment.settings.attacks import SuiteOverrides
from atop.experiment.settings.base import (
    Count,
    Fraction,
    NonNegative,
    Number,
    Positive,
    Rate,
    Settings,
    Sha256,
    Share,
    overrides_of,
    require_one,
)
from atop.experiment.settings.execution import ExecutionSettings
from atop.experiment.settings.recipes import RecipeOverrides

Names = dict[str, str]
"""A substitute for a name that a table has."""


class Sizes(Settings):
    """Side lengths in pixels: of the attacker's images, of what g works on, of what f works on."""

    input: Positive
    purifier: Positive
    classifier: Positive


class SizeSettings(Sizes):
    """Sizes, with others for a transform or a dataset."""

    overrides: dict[str, overrides_of(Sizes)] = {}  # type: ignore[valid-type]


class Evaluation(Settings):
    """Evaluation on the first `n` test images of a random choice by `seed`, in batches.

    `grey_box` replaces `n` for attacks on the bare classifier.
    """

    n: Positive
    grey_box: Literal["all"] | Positive | None = None
    seed: Count
    batch: Positive


class EvaluationSettings(Evaluation):
    """Evaluation, with another `n` for defences of a transform that takes longer."""

    overrides: dict[str, overrides_of(Evaluation, "grey_box", "seed", "batch")] = {}  # type: ignore[valid-type]


class WeightsFile(Settings):
    """A file of weights; `about` is printed under tables."""

    nullable = ("sha256",)

    file: str
    sha256: Sha256 | None = None
    about: str | None = None


class ClassifierSettings(Settings):
    """A classifier: `train` it here although it has public weights, or weights by dataset."""

    train: bool = False
    checkpoints: dict[str, WeightsFile] = {}


class PurifierSpec(Settings):
    """A purifier: options of its `build` and of its loss, and weights by init."""

    options: dict[str, Any] = {}
    loss: dict[str, Any] = {}
    checkpoints: dict[str, WeightsFile] = {}


class PurifierSettings(PurifierSpec):
    """A purifier, with other options for a dataset."""

    overrides: dict[str, dict[str, Any]] = {}


class ClassifierTraining(Settings):
    """The training of a classifier, for epochs or for images, perhaps on examples of an attack."""

    epochs: Positive | None = None
    images: Positive | None = None
    batch: Positive
    lr: Rate
    momentum: NonNegative
    weight_decay: NonNegative
    label_smoothing: NonNegative
    attack: str | None = None

    def steps(self, examples: int) -> int:
        """Whole batches of a training on a split of some examples."""
        of_epochs = (self.epochs or 0) * (examples // self.batch)
        return self.images // self.batch if self.images else of_epochs


class ClassifierBudget(ClassifierTraining):
    """The training of a classifier, with others for a dataset or a classifier."""

    overrides: dict[str, overrides_of(ClassifierTraining, "attack")] = {}  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_one(self, "epochs", "images")
        return self


Betas = Annotated[tuple[Share, Share], Strict(False)]
TransformNames = Annotated[tuple[str, ...], Field(min_length=1), Strict(False)]
Warmup = Annotated[Number, Field(gt=0, lt=1)]


class PurifierTraining(Settings):
    """The training of a purifier.

    Attributes:
        images: number of images in all steps.
        batch: of a step; it is processed in `parts`, to save memory.
        pixels: side length of the images, for a purifier that works at any size; its size in use
            by default.
        weight_decay: of parameters with more than one dimension.
        warmup: share of the steps before a cosine.
        clip: largest norm of a gradient; null clips none.
    """

    images: Positive
    batch: Positive
    parts: Positive = 1
    pixels: Positive | None = None
    lr: Rate
    betas: Betas
    weight_decay: NonNegative
    schedule: Literal["constant", "cosine"]
    warmup: Warmup | None = None
    clip: Rate | None

    @property
    def steps(self) -> int:
        """Whole batches."""
        return self.images // self.batch


class PurifierBudget(PurifierTraining):
    """The training of a purifier, with others for a dataset, a transform or a purifier."""

    overrides: dict[str, overrides_of(PurifierTraining)] = {}  # type: ignore[valid-type]


class Pretraining(PurifierTraining):
    """The training of a purifier from scratch, on images under these transforms in turn."""

    transforms: TransformNames


class PretrainBudget(Pretraining):
    """The training of a purifier from scratch, with others for a purifier."""

    overrides: dict[str, overrides_of(Pretraining)] = {}  # type: ignore[valid-type]


class TrainingBudgets(Settings):
    """Budgets by stage; `tune` trains f on t(x)."""

    classifier: ClassifierBudget | None = None
    robust: ClassifierBudget | None = None
    pretrain: PretrainBudget | None = None
    l_org: PurifierBudget | None = None
    atop: PurifierBudget | None = None
    tune: ClassifierBudget | None = None


class CurveSettings(Settings):
    """Training curves: accuracy on the validation split during fine-tuning.

    Attributes:
        images: number of validation images.
        points: number of measurements, evenly over the steps, beside one before the first step.
        attacks: of attacks.yaml, on the bare classifier.
    """

    images: Positive
    points: Positive
    attacks: Annotated[tuple[str, ...], Strict(False)]


class AttackOverrides(Settings):
    """Keys of attacks that a preset changes."""

    model_config = {"extra": "allow"}

    eps: Fraction | None = None
    step_size: Fraction | None = None
    steps: Count | None = None
    eot: Positive | None = None
    examples: Positive | None = None
    judge: Positive | None = None
    restarts: Positive | None = None
    pixels: Literal["native"] | Positive | None = None


class PresetSettings(Settings):
    """A file of presets/.

    Attributes:
        dataset, classifier, init: substitutes for names of tables.
        downloads: false runs only what is here.
        transforms: keys of rows of transforms.yaml.
        recipe: keys of all recipes.
        training_attack: row of attacks.yaml; the adversarial examples of AToP.
        attacks: keys of attacks, by patterns of their names such as "strict-*".
        leave_out: keys of rows, by table, that it does not run.
        slow_tables: tables that the report page shows only if they exist.
    """

    about: str
    comparable: bool
    device: Literal["cpu", "gpu"]
    seed: Count
    threads: Positive
    dataset: Names
    classifier: Names
    downloads: bool = True
    init: Names
    transforms: dict[str, dict[str, Any]] = {}
    recipe: RecipeOverrides = RecipeOverrides()
    sizes: SizeSettings
    compute: ExecutionSettings = ExecutionSettings()
    evaluation: EvaluationSettings
    classifiers: dict[str, ClassifierSettings]
    purifiers: dict[str, PurifierSettings]
    stages: TrainingBudgets
    training_attack: str
    curves: CurveSettings | None = None
    attacks: dict[str, AttackOverrides]
    leave_out: dict[str, list[str]] = {}
    slow_tables: list[str] = []
    suites: dict[str, SuiteOverrides] = {}

    def trains(self, classifier: str) -> bool:
        """Whether a classifier is trained here although it has public weights."""
        settings = self.classifiers.get(classifier)
        return settings is not None and settings.train
