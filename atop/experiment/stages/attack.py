"""The attack stage: an adversarial set, made on a cell."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from atop.experiment import attack_workload, config, paths
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.attacks import AttackSpec
from atop.experiment.stages.finetuning import of_networks
from atop.experiment.stages.stage import Stage, evaluated, execution, networks, random
from atop.experiment.workload import StageWorkload


@dataclass(frozen=True, kw_only=True)
class Attack(Stage):
    """Attack a cell on the preset's test images; `attack` is a row of attacks.yaml."""

    attack: str
    command = "attack"
    kind = "attacks"
    pattern = paths.ADVERSARIAL

    @property
    def spec(self) -> AttackSpec:
        """The attack under the preset."""
        return self.preset.attack(self.attack)

    @property
    def target(self) -> str:
        """The kind of target that its cell is."""
        return "classifier" if self.cell.undefended else "defense"

    @property
    def n(self) -> int:
        """Number of test images that it attacks."""
        cell = self.cell
        return self.preset.examples(self.attack, cell.dataset, self.target, cell.transform)

    @property
    def file(self) -> Path:
        return paths.adversarial(self.preset, self.cell, self.attack)

    @property
    def start(self) -> Path | None:
        """The adversarial set that it goes on from; None for clean images."""
        after = self.spec.after
        return adversarial_set(self.preset, self.cell, after) if after else None

    @property
    def inputs(self) -> list[Path]:
        return [*networks(self.preset, self.cell), *([self.start] if self.start else [])]

    @property
    def weights(self) -> list[Path]:
        return networks(self.preset, self.cell)[1:]

    @property
    def fingerprint(self) -> str:
        parts = [*evaluated(self.preset, self.cell), *execution(self.preset, "attack")]
        return config.digest("attack", parts, self.spec)

    def before(self) -> Iterator[Stage]:
        yield from of_networks(self.preset, self.cell)
        if self.start and self.spec.after:
            yield from Attack(preset=self.preset, cell=self.cell, attack=self.spec.after).chain()

    def workload(self) -> StageWorkload:
        """Queries of the method, once a restart; of the judge; of the attack's own checks."""
        preset, cell, spec, n = self.preset, self.cell, self.spec, self.n
        pixels, drawn = preset.pixels(spec, cell), random(preset, cell)
        differ = drawn and spec.through != "fixed"
        classes = config.dataset(cell.dataset).classes
        method = attack_workload.of_method(spec, random=differ, classes=classes)
        work = StageWorkload(
            at_most=attack_workload.at_most(spec, method), disk=n * 3 * pixels**2 * 4
        )
        query = partial(self.query(cell, pixels, n), through=spec.through, mode="attack")
        for gradient, draws, times in method.queries:
            operation = query(gradient=gradient, draws=draws)
            work.images[operation] += spec.restarts * times * draws * n
        if method.checks:
            logits = query(gradient=False, draws=1)
            counts = math.ceil(n / logits.batch) if method.counts_classes else 0
            work.images[logits] += method.checks * logits.batch + counts
            work.images[query(gradient=True, draws=1)] += logits.batch
        if times := attack_workload.judged(spec, method):
            draws = spec.judge if drawn else 1
            judge = self.query(cell, pixels, n)(gradient=False, draws=draws, mode="judge")
            work.images[judge] += times * draws * n
        return work

    @property
    def label(self) -> str:
        return f"{self.command} {self.attack} {self.cell.id}"


def adversarial_set(preset: Preset, target: Cell, attack: str) -> Path | None:
    """The set of an attack on a target; None for clean images, which have no file."""
    clean = preset.attack(attack).clean
    return None if clean else paths.adversarial(preset, target, attack)
