"""Training stages: their base, and the training of classifiers."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from atop.experiment import config, paths, presets
from atop.experiment.attack_workload import of_method
from atop.experiment.cells import Cell
from atop.experiment.dataset_sizes import DatasetSize, size_of
from atop.experiment.presets import Preset
from atop.experiment.settings.presets import ClassifierTraining, PurifierTraining
from atop.experiment.stages.stage import Stage, classifier, execution, training_split
from atop.experiment.workload import StageWorkload, TrainingStep


@dataclass(frozen=True, kw_only=True)
class Training(Stage):
    """A training stage."""

    kind = "training"

    @property
    def inputs(self) -> list[Path]:
        return [paths.dataset(self.cell.dataset), *self.weights]

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
    def budget(self) -> ClassifierTraining:
        return self.preset.classifier_training(self.cell.dataset, self.cell.classifier)

    @property
    def fingerprint(self) -> str:
        preset, cell, budget = self.preset, self.cell, self.budget
        attack = preset.attack(budget.attack) if budget.attack else None
        parts = [preset.settings.seed, preset.sizes(cell), classifier(preset, cell)]
        parts += execution(preset, "train")
        return config.digest("classifier", parts, training_split(cell.dataset), budget, attack)

    def workload(self) -> StageWorkload:
        data, budget = size_of(self.cell.dataset), self.budget
        work = self._workload("classifier", budget.steps(data.train) * budget.batch, budget.attack)
        query = self.query(self.cell, self.preset.sizes(self.cell).input, data.test)
        work.images[query(gradient=False, draws=1, mode="evaluate")] += data.test
        return work

    @property
    def label(self) -> str:
        return f"{self.command} {self.file.stem}"


def of_classifier(preset: Preset, cell: Cell) -> Iterator[Stage]:
    """The training of a cell's bare classifier, unless its weights are given."""
    stage = TrainClassifier(preset=preset, cell=cell.bare)
    if paths.classifier(preset, cell.dataset, cell.classifier) == [stage.file]:
        yield stage
