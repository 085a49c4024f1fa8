"""Training of purifiers: from scratch, fine-tuning; and of f on t(x)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from atop.experiment import config, paths, presets
from atop.experiment.cells import ANY, Cell
from atop.experiment.dataset_sizes import size_of
from atop.experiment.presets import Preset
from atop.experiment.settings.presets import ClassifierTraining, Pretraining, PurifierTraining
from atop.experiment.stages.stage import Stage, classifier, execution, training_split
from atop.experiment.stages.training import Training, of_classifier
from atop.experiment.workload import StageWorkload


@dataclass(frozen=True, kw_only=True)
class Pretrain(Training):
    """Train a purifier from scratch with L_org; its cell knows no classifier."""

    command = "pretrain"
    pattern = paths.PRETRAINED

    @classmethod
    def of(cls, preset: Preset, dataset: str, purifier: str) -> Self:
        """The stage of a purifier on a dataset, whatever the cell."""
        seed = preset.settings.seed
        cell = Cell(dataset=dataset, classifier=ANY, purifier=purifier, init="scratch", seed=seed)
        return cls(preset=preset, cell=cell)

    @classmethod
    def parse(cls, *, preset: str, dataset: str, purifier: str) -> Self:  # type: ignore[override]
        """The stage of a command line or of a rule's wildcards."""
        return cls.of(presets.get(preset), dataset, purifier)

    @property
    def file(self) -> Path:
        return paths.pretrained(self.preset, self.cell.dataset, self.cell.purifier)

    @property
    def budget(self) -> Pretraining:
        return self.preset.pretraining(self.cell.purifier)

    @property
    def fingerprint(self) -> str:
        preset, cell, budget = self.preset, self.cell, self.budget
        transforms = [preset.transform(replace(cell, transform=t)) for t in budget.transforms]
        shift = config.dataset(cell.dataset).shift
        data = [preset.sizes(cell), shift, training_split(cell.dataset)]
        purifier = preset.purifier(cell.purifier, cell.dataset)
        parts = [preset.settings.seed, data, purifier, budget, transforms]
        parts += execution(preset, "train")
        return config.digest("pretrain", parts, preset.recipe(cell))

    def workload(self) -> StageWorkload:
        return self._workload("pretrain", self.budget.steps * self.budget.batch)

    @property
    def label(self) -> str:
        return f"{self.command} {self.file.stem}"

    @property
    def owner(self) -> str:
        return f"{self.file.stem}-pretrained"


@dataclass(frozen=True, kw_only=True)
class OwnTraining(Training):
    """The training of weights that a cell has for itself, or shares with equal ones."""

    @classmethod
    def parse(cls, *, preset: str, cell: str) -> Self:  # type: ignore[override]
        """The stage that makes the weights of a cell: the training of `cell.weights`, if any."""
        stage = super().parse(preset=preset, cell=cell)
        trained = stage.cell.purifies or stage.cell.finetune == "classifier"
        return replace(stage, cell=stage.cell.weights) if trained else stage


@dataclass(frozen=True, kw_only=True)
class Finetune(OwnTraining):
    """Fine-tune a cell's purifier: the L_org stage (`none`), AToP, or a control."""

    command = "finetune"
    pattern = paths.PURIFIER

    @property
    def file(self) -> Path:
        return paths.purifier(self.preset, self.cell)

    @property
    def start(self) -> Path:
        """Weights of the purifier before this training."""
        if self.cell.finetune == "none":
            return paths.initial(self.preset, self.cell)
        return paths.purifier(self.preset, self.cell.base)

    @property
    def weights(self) -> list[Path]:
        cell = self.cell
        if cell.weights.classifier == ANY:
            return [self.start]
        return [self.start, *paths.classifier(self.preset, cell.dataset, cell.classifier)]

    @property
    def budget(self) -> PurifierTraining:
        return self.preset.finetuning(self.cell)

    @property
    def fingerprint(self) -> str:
        return _finetuning(self)

    def before(self) -> Iterator[Stage]:
        preset, cell = self.preset, self.cell
        if cell.finetune != "none":
            yield from Finetune(preset=preset, cell=cell.base).chain()
        elif self.start == paths.pretrained(preset, cell.dataset, cell.purifier):
            yield Pretrain.of(preset, cell.dataset, cell.purifier)
        if cell.weights.classifier != ANY:
            yield from of_classifier(preset, cell)

    def workload(self) -> StageWorkload:
        cell, budget, preset = self.cell, self.budget, self.preset
        names = {"adversarial": "AToP", "clean": "AToP, clean"}
        attack = preset.settings.training_attack if cell.finetune == "adversarial" else None
        images = budget.steps * budget.batch
        work = self._workload(names.get(cell.finetune, "L_org"), images, attack)
        known = cell.weights.classifier != ANY
        return self._add_curve(work, size_of(cell.dataset)) if known else work


@dataclass(frozen=True, kw_only=True)
class Tune(OwnTraining):
    """Fine-tune f on t(x), without a purifier."""

    command = "finetune"
    pattern = paths.TUNED

    @property
    def file(self) -> Path:
        return paths.tuned(self.preset, self.cell)

    @property
    def weights(self) -> list[Path]:
        return paths.classifier(self.preset, self.cell.dataset, self.cell.classifier)

    @property
    def budget(self) -> ClassifierTraining:
        return self.preset.tuning(self.cell)

    @property
    def fingerprint(self) -> str:
        return _finetuning(self)

    def before(self) -> Iterator[Stage]:
        return of_classifier(self.preset, self.cell)

    def workload(self) -> StageWorkload:
        data, budget = size_of(self.cell.dataset), self.budget
        work = self._workload("tune", budget.steps(data.train) * budget.batch, budget.attack)
        return self._add_curve(work, data)


def finetuning(preset: Preset, cell: Cell) -> Finetune | Tune:
    """The stage that makes a cell's own weights."""
    return (Tune if cell.finetune == "classifier" else Finetune)(preset=preset, cell=cell)


def of_networks(preset: Preset, cell: Cell) -> Iterator[Stage]:
    """All training behind a cell's networks."""
    yield from of_classifier(preset, cell)
    if cell.purifies or cell.finetune == "classifier":
        yield from finetuning(preset, cell.weights).chain()


def _finetuning(stage: Finetune | Tune) -> str:
    """Digest of a fine-tuning. A cell has a seed of its own; the preset's is of shared stages."""
    preset, cell = stage.preset, stage.cell
    parts = [
        preset.sizes(cell),
        stage.budget,
        preset.recipe(cell),
        preset.transform(cell),
        preset.purifier(cell.purifier, cell.dataset) if cell.purifies else None,
        config.dataset(cell.dataset).shift,
        training_split(cell.dataset),
        classifier(preset, cell),
    ]
    if cell.finetune == "adversarial":
        parts.append(preset.attack(preset.settings.training_attack))
    parts += execution(preset, "train")
    return config.digest("finetune", parts)
