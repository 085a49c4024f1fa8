"""Training stages: classifiers, purifiers from scratch, fine-tuning of purifiers, tuning of f."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from atop.experiment import config, paths, presets
from atop.experiment.attack_workload import of_method
from atop.experiment.cells import ANY, Cell
from atop.experiment.dataset_sizes import DatasetSize, size_of
from atop.experiment.presets import Preset
from atop.experiment.settings.presets import ClassifierTraining, Pretraining, PurifierTraining
from atop.experiment.stages.stage import Stage, classifier, execution, training_split
from atop.experiment.workload import StageWorkload, TrainingStep


@dataclass(frozen=True, kw_only=True)
class Training(Stage):
    """A training stage."""

    kind = "training"

    @property
    @abstractmethod
    def budget(self) -> ClassifierTraining | PurifierTraining:
        """The budget of this training."""

    def _workload(self, name: str, images: int, attack: str | None = None) -> StageWorkload:
        """Images of the training itself, in whole batches; it keeps its data in memory."""
        data = size_of(self.cell.dataset)
        step = TrainingStep(
            preset=self.preset, cell=self.cell, stage=name, budget=self.budget, attack=attack
        )
        work = StageWorkload(memory=(data.train + data.validation) * data.bytes)
        work.images[step] = images
        return work

    def _add_curve(self, work: StageWorkload, data: DatasetSize) -> StageWorkload:
        """Add accuracy on each set at every point and before, and the attacks of the sets."""
        curves, preset, cell = self.preset.settings.curves, self.preset, self.cell
        if not curves:
            return work
        n, pixels = min(curves.images, data.validation), preset.sizes(cell).input
        defense, bare = (self.query(each, pixels, n) for each in (cell, cell.bare))
        sets = 1 + len(curves.attacks)
        accuracy = defense(gradient=False, draws=1, mode="train")
        work.images[accuracy] += n * sets * (1 + curves.points)
        classes = config.dataset(cell.dataset).classes
        for name in curves.attacks:
            attack = of_method(preset.attack(name), random=True, classes=classes)
            for gradient, draws, times in attack.queries:
                query = bare(gradient=gradient, draws=draws, mode="train")
                work.images[query] += times * draws * n
        return work


@dataclass(frozen=True, kw_only=True)
class TrainClassifier(Training):
    """Train a classifier; its cell is undefended."""

    command = "classifier"
    pattern = paths.CLASSIFIER

    @classmethod
    def parse(cls, *, preset: str, dataset: str, classifier: str) -> Self:  # type: ignore[override]
        """The stage of a command line or of a rule's wildcards."""
        return cls(preset=presets.get(preset), cell=Cell(dataset=dataset, classifier=classifier))

    @property
    def file(self) -> Path:
        return paths.trained(self.preset, self.cell.dataset, self.cell.classifier)

    @property
    def inputs(self) -> list[Path]:
        return [paths.dataset(self.cell.dataset)]

    @property
    def budget(self) -> ClassifierTraining:
        return self.preset.classifier_training(self.cell.dataset, self.cell.classifier)

    @property
    def fingerprint(self) -> str:
        preset, cell, budget = self.preset, self.cell, self.budget
        attack = preset.attack(budget.attack) if budget.attack else None
        parts = [preset.settings.seed, preset.sizes(cell), classifier(preset, cell)]
        parts += execution(preset, "train")
        return config.digest("classifier", parts, training_split(cell.dataset), budget, attack)

    def before(self) -> Iterator[Stage]:
        return iter(())

    def workload(self) -> StageWorkload:
        data, budget = size_of(self.cell.dataset), self.budget
        work = self._workload("classifier", budget.steps(data.train) * budget.batch, budget.attack)
        query = self.query(self.cell, self.preset.sizes(self.cell).input, data.test)
        work.images[query(gradient=False, draws=1, mode="evaluate")] += data.test
        return work

    @property
    def label(self) -> str:
        return f"{self.command} {self.file.stem}"


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
    def inputs(self) -> list[Path]:
        return [paths.dataset(self.cell.dataset)]

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

    def before(self) -> Iterator[Stage]:
        return iter(())

    def workload(self) -> StageWorkload:
        budget = self.budget
        return self._workload("pretrain", budget.images // budget.batch * budget.batch)

    @property
    def label(self) -> str:
        return f"{self.command} {self.file.stem}"

    @property
    def owner(self) -> str:
        return f"{self.file.stem}-pretrained"


@dataclass(frozen=True, kw_only=True)
class Finetune(Training):
    """Fine-tune a cell's purifier: the L_org stage (`none`), AToP, or a control."""

    command = "finetune"
    pattern = paths.PURIFIER

    @property
    def file(self) -> Path:
        return paths.purifier(self.preset, self.cell)

    @property
    def start(self) -> Path:
        """Weights of the purifier before this training."""
        first = self.cell.finetune == "none"
        return (
            paths.initial(self.preset, self.cell)
            if first
            else paths.purifier(self.preset, self.cell.base)
        )

    @property
    def inputs(self) -> list[Path]:
        return [paths.dataset(self.cell.dataset), *self.weights]

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
        return _finetuning(self, self.budget)

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
        images = budget.images // budget.batch * budget.batch
        work = self._workload(names.get(cell.finetune, "L_org"), images, attack)
        known = cell.weights.classifier != ANY
        return self._add_curve(work, size_of(cell.dataset)) if known else work


@dataclass(frozen=True, kw_only=True)
class Tune(Training):
    """Fine-tune f on t(x), without a purifier."""

    command = "finetune"
    pattern = paths.TUNED

    @property
    def file(self) -> Path:
        return paths.tuned(self.preset, self.cell)

    @property
    def inputs(self) -> list[Path]:
        return [paths.dataset(self.cell.dataset), *self.weights]

    @property
    def weights(self) -> list[Path]:
        return paths.classifier(self.preset, self.cell.dataset, self.cell.classifier)

    @property
    def budget(self) -> ClassifierTraining:
        return self.preset.tuning(self.cell)

    @property
    def fingerprint(self) -> str:
        return _finetuning(self, self.budget)

    def before(self) -> Iterator[Stage]:
        return of_classifier(self.preset, self.cell)

    def workload(self) -> StageWorkload:
        data, budget = size_of(self.cell.dataset), self.budget
        work = self._workload("tune", budget.steps(data.train) * budget.batch, budget.attack)
        return self._add_curve(work, data)


def finetuning(preset: Preset, cell: Cell) -> Finetune | Tune:
    """The stage that makes a cell's own weights."""
    return (Tune if cell.finetune == "classifier" else Finetune)(preset=preset, cell=cell)


def of_classifier(preset: Preset, cell: Cell) -> Iterator[Stage]:
    """The training of a cell's bare classifier, unless its weights are given."""
    stage = TrainClassifier(preset=preset, cell=cell.bare)
    if paths.classifier(preset, cell.dataset, cell.classifier) == [stage.file]:
        yield stage


def of_networks(preset: Preset, cell: Cell) -> Iterator[Stage]:
    """All training behind a cell's networks."""
    yield from of_classifier(preset, cell)
    if cell.purifies or cell.finetune == "classifier":
        yield from finetuning(preset, cell.weights).chain()


def _finetuning(stage: Finetune | Tune, budget: ClassifierTraining | PurifierTraining) -> str:
    """Digest of a fine-tuning. A cell has a seed of its own; the preset's is of shared stages."""
    preset, cell = stage.preset, stage.cell
    parts = [
        preset.sizes(cell),
        budget,
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
