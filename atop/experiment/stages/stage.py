"""The base of all stages, and what several of them share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

from atop.experiment import config, paths, presets, validate
from atop.experiment.cells import ANY, Cell
from atop.experiment.presets import Preset
from atop.experiment.workload import Query, StageWorkload


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """A job of the workflow.

    Attributes:
        preset, cell: of the job.
        command: of `python -m atop`.
        kind: column of `atop cost`: training, attacks or evaluation.
        pattern: of its file, as rules know it.
    """

    preset: Preset
    cell: Cell
    command: ClassVar[str]
    kind: ClassVar[str]
    pattern: ClassVar[str]

    @classmethod
    def parse(cls, *, preset: str, cell: str, **names: str) -> Self:
        """The stage of a command line or of a rule's wildcards.

        Raises:
            AtopError: the preset does not know the cell.
        """
        chosen = presets.get(preset)
        return cls(preset=chosen, cell=validate.parse(cell, chosen), **names)

    @classmethod
    def patterns(cls) -> list[str]:
        """Patterns of its outputs: its file, and metadata beside it."""
        file = Path(cls.pattern)
        return list(dict.fromkeys([str(file), str(file.with_suffix(".json"))]))

    @property
    @abstractmethod
    def file(self) -> Path:
        """The file that it makes."""

    @property
    def metadata(self) -> Path:
        """Its settings and provenance, beside its file."""
        return self.file.with_suffix(".json")

    @property
    @abstractmethod
    def inputs(self) -> list[Path]:
        """Files that it reads; data first."""

    @property
    def weights(self) -> list[Path]:
        """Inputs whose hashes its metadata holds."""
        return []

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Digest of all its settings; it runs again when they change."""

    def before(self) -> Iterator["Stage"]:
        """Stages that make its inputs here, in order; a stage may come twice."""
        return iter(())

    def chain(self) -> Iterator["Stage"]:
        """The stage after all that it needs."""
        yield from self.before()
        yield self

    @abstractmethod
    def workload(self) -> StageWorkload:
        """Images through each operation.

        Raises:
            AtopError: an attack that does not declare its workload.
        """

    def query(self, cell: Cell, pixels: int, n: int) -> Callable[..., Query]:
        """Queries of n images to a cell, in the preset's batches."""
        batch = min(n, self.preset.settings.evaluation.batch)
        return partial(Query, preset=self.preset, cell=cell, pixels=pixels, batch=batch)

    @property
    def label(self) -> str:
        """Its command and its names."""
        return f"{self.command} {self.cell.id}"

    @property
    def owner(self) -> str:
        """The cell that it is made for, or a name for what several cells share."""
        return self.cell.id


def networks(preset: Preset, cell: Cell) -> list[Path]:
    """Data and weights of a cell."""
    files = [paths.dataset(cell.dataset), *paths.classifier_of(preset, cell)]
    return [*files, paths.purifier(preset, cell)] if cell.purifies else files


def execution(preset: Preset, kind: str) -> list[object]:
    """Execution of networks in a fingerprint, unless it is in float32."""
    settings = preset.execution(kind).given()
    return [settings] if settings else []


def training_split(dataset: str) -> list[int]:
    """Size of the training split and of its validation part, in a fingerprint."""
    row = config.dataset(dataset)
    return [row.train_size, row.validation]


def classifier(preset: Preset, cell: Cell) -> object:
    """A cell's classifier and its weights, in a fingerprint."""
    if cell.classifier == ANY:
        return None
    row = config.classifier(cell.classifier).given()
    del row["about"]
    rows = config.checkpoints()
    names = config.public_weights(cell.dataset, cell.classifier)
    hashes = [rows[name].sha256 if name in rows else None for name in names]
    return [row, hashes, preset.settings.classifiers.get(cell.classifier)]


def evaluated(preset: Preset, cell: Cell) -> list[object]:
    """A cell's networks and the test images, in a fingerprint."""
    settings, size = preset.settings, config.dataset(cell.dataset).test_size
    network, transform = classifier(preset, cell), preset.transform(cell)
    sizes = preset.sizes(cell)
    return [settings.seed, settings.evaluation, size, sizes, network, transform]


def random(preset: Preset, cell: Cell) -> bool:
    """Whether draws of a cell differ."""
    return preset.transform(cell).method != "none"
