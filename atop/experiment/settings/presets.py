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
from atop.experiment.settings.recipes import RecipeOverrides

Names = dict[str, str]
"""What takes the place of a name that a table says."""


class Sides(Settings):
    """Side lengths in pixels: what the attacker hands in, what g works on, what f works on."""

    input: Positive
    purifier: Positive
    classifier: Positive


class SizeSettings(Sides):
    """The same, with others for a transform or a dataset."""

    overrides: dict[str, overrides_of(Sides)] = {}  # type: ignore[valid-type]


class Execution(Settings):
    """How networks are run; in float32 by default."""

    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    recompute: bool = False


class ExecutionSettings(Settings):
    """How networks are run when they train and when they are attacked."""

    train: Execution = Execution()
    attack: Execution = Execution()


class EvaluationSettings(Settings):
    """Which test images, how many, and how many at a time.

    `grey_box` takes the place of `n` for suites whose target is the classifier.
    """

    n: Positive
    grey_box: Literal["all"] | Positive | None = None
    seed: Count
    batch: Positive


class WeightsFile(Settings):
    """A file of weights; `about` is printed under tables."""

    nullable = ("sha256",)

    file: str
    sha256: Sha256 | None = None
    about: str | None = None


class ClassifierSettings(Settings):
    """A classifier: trained here whatever weights are public, or files by dataset."""

    train: bool = False
    checkpoints: dict[str, WeightsFile] = {}


class PurifierSettings(Settings):
    """A purifier: options of its `build`, others for a dataset, of its loss; files by init."""

    options: dict[str, Any] = {}
    overrides: dict[str, dict[str, Any]] = {}
    loss: dict[str, Any] = {}
    checkpoints: dict[str, WeightsFile] = {}


class ClassifierTraining(Settings):
    """The training of a classifier, for epochs or for images."""

    epochs: Positive | None = None
    images: Positive | None = None
    batch: Positive
    lr: Rate
    momentum: NonNegative
    weight_decay: NonNegative
    label_smoothing: NonNegative


class ClassifierBudget(ClassifierTraining):
    """The same, perhaps on examples of an attack, with others for a dataset or a classifier."""

    attack: str | None = None
    overrides: dict[str, overrides_of(ClassifierTraining)] = {}  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_one(self, "epochs", "images")
        return self


Betas = Annotated[tuple[Share, Share], Strict(False)]
Transforms = Annotated[tuple[str, ...], Field(min_length=1), Strict(False)]
Warmup = Annotated[Number, Field(gt=0, lt=1)]


class PurifierTraining(Settings):
    """The training of a purifier.

    Attributes:
        images: how many it sees.
        batch: of a step; `parts` of it come one after the other, for memory.
        weight_decay: of what has more than one dimension.
        warmup: before a cosine: part of the steps.
        clip: largest norm of a gradient; null clips none.
    """

    images: Positive
    batch: Positive
    parts: Positive = 1
    lr: Rate
    betas: Betas
    weight_decay: NonNegative
    schedule: Literal["constant", "cosine"]
    warmup: Warmup | None = None
    clip: Rate | None


class PurifierBudget(PurifierTraining):
    """The same, with others for a dataset, a transform or a purifier."""

    overrides: dict[str, overrides_of(PurifierTraining)] = {}  # type: ignore[valid-type]


class Pretraining(PurifierTraining):
    """The training of a purifier from scratch, on images that these transforms leave."""

    transforms: Transforms


class PretrainBudget(Pretraining):
    """The same, with others for a purifier."""

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
    """What is measured of a fine-tuning, on images that no training sees.

    Attributes:
        pictures: how many images.
        points: how often, evenly, and before the first step.
        attacks: of attacks.yaml, on the bare classifier.
    """

    pictures: Positive
    points: Positive
    attacks: Annotated[tuple[str, ...], Strict(False)]


class AttackOverrides(Settings):
    """What a preset changes of attacks: keys of their rows, by names or patterns."""

    model_config = {"extra": "allow"}

    eps: Fraction | None = None
    step_size: Fraction | None = None
    steps: Count | None = None
    eot: Positive | None = None
    examples: Positive | None = None
    judge: Positive | None = None
    restarts: Positive | None = None
    pixels: Literal["native"] | Positive | None = None


class Preset(Settings):
    """A preset as its file says it.

    Attributes:
        dataset, classifier, init: what takes the place of what tables name.
        downloads: false runs only what is here.
        transforms: keys of rows of transforms.yaml.
        recipe: what every recipe takes from this preset.
        leave_out: keys of rows, by table, that it does not run.
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
    curves: CurveSettings | None = None
    attacks: dict[str, AttackOverrides]
    leave_out: dict[str, list[str]] = {}
    suites: dict[str, SuiteOverrides] = {}

    def trains(self, classifier: str) -> bool:
        """Whether a classifier is trained here whatever weights are public."""
        own = self.classifiers.get(classifier)
        return own is not None and own.train
