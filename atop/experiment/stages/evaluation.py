"""The evaluation stage: a record of a cell, under the attacks of a suite; and traced images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from atop.experiment import config, image_grids, paths
from atop.experiment.settings.attacks import Suite
from atop.experiment.stages.attack import Attack, adversarial_set
from atop.experiment.stages.finetuning import of_networks
from atop.experiment.stages.stage import Stage, evaluated, networks, random
from atop.experiment.targets import applicable, target_of
from atop.experiment.workload import StageWorkload


@dataclass(frozen=True, kw_only=True)
class Evaluate(Stage):
    """Classify the adversarial sets of a suite with a cell.

    Attributes:
        suite: of attacks.yaml.
        target: kind of target of attacks that name none.
    """

    suite: str
    target: str
    command = "evaluate"
    kind = "evaluation"
    pattern = paths.RECORD

    @classmethod
    def parse(  # type: ignore[override]
        cls, *, preset: str, cell: str, suite: str, target: str | None = None
    ) -> Self:
        """The stage of a command line or of a rule's wildcards; the suite has a default target."""
        target = target or config.suite(suite).target
        return super().parse(preset=preset, cell=cell, suite=suite, target=target)

    @property
    def spec(self) -> Suite:
        """The suite under the preset, as far as it applies to the cell."""
        return applicable(self.preset.suite(self.suite), self.cell, self.preset, self.target)

    @property
    def not_applicable(self) -> list[str]:
        """Entries that do not apply to the cell."""
        every, kept = self.preset.suite(self.suite).attacks, self.spec.attacks
        return [text for text in every if text not in kept]

    @property
    def n(self) -> int:
        """Number of test images that it classifies."""
        return self.preset.evaluated(self.suite, self.cell, self.target)

    @property
    def file(self) -> Path:
        return paths.record(self.preset, self.cell, self.suite, self.target)

    @property
    def inputs(self) -> list[Path]:
        sets = (
            adversarial_set(self.preset, target_of(self.cell, entry.target), entry.attack)
            for entry in self.spec.entries(self.target)
        )
        return [*networks(self.preset, self.cell), *filter(None, sets)]

    @property
    def weights(self) -> list[Path]:
        return networks(self.preset, self.cell)[1:]

    @property
    def fingerprint(self) -> str:
        attacks = [self.preset.attack(entry.attack) for entry in self.spec.entries("")]
        parts = evaluated(self.preset, self.cell)
        return config.digest("evaluate", parts, self.spec, attacks)

    def before(self) -> Iterator[Stage]:
        yield from of_networks(self.preset, self.cell)
        for entry in self.spec.entries(self.target):
            target = target_of(self.cell, entry.target)
            if adversarial_set(self.preset, target, entry.attack):
                stage = Attack(preset=self.preset, cell=target, attack=entry.attack)
                yield from stage.chain()

    def workload(self) -> StageWorkload:
        """Evaluation draws and selection draws of each entry."""
        preset, cell, suite, n = self.preset, self.cell, self.spec, self.n
        work = StageWorkload()
        for entry in suite.entries(self.target):
            attack = preset.attack(entry.attack)
            if attack.through == "fixed":
                draws = 1
            elif random(preset, cell):
                draws = suite.draws + suite.selection
            else:
                draws = 1 + bool(suite.selection)
            query = self.query(cell, preset.pixels(attack, cell), n)
            work.images[query(gradient=False, draws=1, mode="evaluate")] += draws * n
        return work

    @property
    def label(self) -> str:
        return f"{self.command} {self.suite} {self.cell.id}"


@dataclass(frozen=True, kw_only=True)
class TraceImages(Stage):
    """Store a few test images, clean and adversarial, at each step through a cell's defence.

    The adversarial images are those of `attack` on the bare classifier.
    """

    attack: str
    command = "images"
    kind = "evaluation"
    pattern = paths.IMAGES

    @property
    def n(self) -> int:
        """Number of images that it stores."""
        return image_grids.stored(self.attack, self.preset, self.cell.dataset)

    @property
    def file(self) -> Path:
        return paths.images(self.preset, self.cell, self.attack)

    @property
    def source(self) -> Path:
        """The adversarial set."""
        return paths.adversarial(self.preset, self.cell.bare, self.attack)

    @property
    def inputs(self) -> list[Path]:
        files = [*networks(self.preset, self.cell), *networks(self.preset, self.cell.bare)]
        return list(dict.fromkeys([*files, self.source]))

    @property
    def fingerprint(self) -> str:
        stage = Attack(preset=self.preset, cell=self.cell, attack=self.attack)
        return config.digest("images", stage.fingerprint, self.n)

    def before(self) -> Iterator[Stage]:
        yield from of_networks(self.preset, self.cell)
        yield from Attack(preset=self.preset, cell=self.cell.bare, attack=self.attack).chain()

    def workload(self) -> StageWorkload:
        return StageWorkload()
