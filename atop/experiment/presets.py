"""Presets: attacks, suites, sizes, networks and budgets as one preset decides them."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import ANY, Cell
from atop.experiment.settings.attacks import HARNESS, AttackSpec, Suite, SuiteOverrides
from atop.experiment.settings.base import Settings, under
from atop.experiment.settings.execution import Execution
from atop.experiment.settings.presets import (
    ClassifierTraining,
    Evaluation,
    PresetSettings,
    Pretraining,
    PurifierSettings,
    PurifierSpec,
    PurifierTraining,
    Sizes,
)
from atop.experiment.settings.recipes import Recipe


class TransformSpec(NamedTuple):
    """A random transform: a module in atop/method/transforms/, and options of its `build`.

    The option `fixed_mask` of an ablation goes to FixedMask (atop/method/transform.py) instead.
    """

    method: str
    options: Dict


class Preset:
    """A preset: the settings of its file, and those of other files as it changes them."""

    def __init__(self, name: str, settings: PresetSettings) -> None:
        self.name, self.settings = name, settings

    def __str__(self) -> str:
        return self.name

    @property
    def file(self) -> str:
        """Path of its file."""
        return f"{config.folder()}/presets/{self.name}.yaml"

    @config.cached
    def attack(self, name: str) -> AttackSpec:
        """An attack, with `scaled` for the keys that the preset changes.

        Keys of the preset's `attacks` are patterns such as "strict-*"; later ones win.

        Raises:
            AtopError: no such attack, or the preset changes a key that it does not have.
        """
        attack, changes = config.attack(name), dict[str, object]()
        before = attack.given()
        for pattern, overrides in self.settings.attacks.items():
            where = f"{self.file}: attacks.{pattern}"
            for key, value in overrides.given().items() if fnmatchcase(name, pattern) else ():
                if key not in before and key not in HARNESS:
                    known = ", ".join(before)
                    raise AtopError(f"{where}: {name} has no '{key}'; known are {known}")
                changes[key] = value
        # `version` says how AutoAttack is run; it is no smaller budget.
        scaled = {
            key: before.get(key)
            for key, value in changes.items()
            if key != "version" and before.get(key) != value
        }
        if not changes:
            return attack
        content = before | changes | ({"scaled": scaled} if scaled else {})
        return config.validate(content, AttackSpec, where=f"{self.file}: attacks: {name}")  # type: ignore[no-any-return]

    def chain(self, attack: AttackSpec) -> list[AttackSpec]:
        """The attacks that go on from each other's images, the given one last.

        An attack of a record may go on from one that the config has no more.
        """
        if attack.after not in config.attacks().attacks:
            return [attack]
        before = self.attack(str(attack.after))
        return [attack] if before.clean else [*self.chain(before), attack]

    @config.cached
    def suite(self, name: str) -> Suite:
        """A suite with the preset's draws, without the attacks that the preset leaves out."""
        suite, own = config.suite(name), self.settings.suites.get(name, SuiteOverrides())
        return Suite(
            target=suite.target,
            attacks=tuple(text for text in suite.attacks if text not in own.leave_out),
            draws=suite.draws if own.draws is None else own.draws,
            selection=suite.selection if own.selection is None else own.selection,
        )

    def examples(self, attack: str, dataset: str, target: str, transform: str = "none") -> int:
        """Number of test images of a dataset that are attacked, the first of the preset's choice.

        On the bare classifier they may be more (`evaluation.grey_box`), since every defence is
        evaluated on that set: in suites with that target, and for attacks that those go on from.
        On others a transform may have fewer (`evaluation.overrides`).
        """
        on_classifier = target == "classifier"
        names = () if on_classifier else (transform,)
        chosen = under(self.settings.evaluation, Evaluation, *names)
        grey_box = on_classifier and attack in config.grey_box_attacks()
        wanted = (grey_box and chosen.grey_box) or chosen.n
        n: int = config.dataset(dataset).test_size if wanted == "all" else wanted
        return min(n, self.attack(attack).examples or n)

    def evaluated(self, suite: str, cell: Cell, target: str) -> int:
        """Number of test images in the evaluation of a suite: as many as its smallest set has."""
        return min(
            self.examples(entry.attack, cell.dataset, entry.target, cell.transform)
            for entry in self.suite(suite).entries(target)
        )

    @config.cached
    def sizes(self, cell: Cell) -> Sizes:
        """Side lengths of a cell.

        A classifier that works at one size decides its own and the attacker's; a purifier with
        `pixels` decides its own.
        """
        sizes = under(self.settings.sizes, Sizes, cell.transform, cell.dataset)
        changes: Dict = {}
        fixed = cell.classifier != ANY and config.classifier_pixels(cell.classifier, cell.dataset)
        if fixed:
            changes |= {"input": fixed, "classifier": fixed}
        if own := self.purifier(cell.purifier, cell.dataset).options.get("pixels"):
            changes["purifier"] = own
        return sizes.model_copy(update=changes)

    def working_pixels(self, cell: Cell) -> int:
        """Side length of the images in the network that takes most of a cell's time."""
        sizes = self.sizes(cell)
        return sizes.purifier if cell.purifies else sizes.classifier

    def training_pixels(self, cell: Cell, budget: PurifierTraining) -> int:
        """Side length of the images that train a cell's purifier.

        A purifier with `pixels` decides its own, whatever the budget says.
        """
        own: int | None = self.purifier(cell.purifier, cell.dataset).options.get("pixels")
        return own or budget.pixels or self.sizes(cell).purifier

    def pixels(self, attack: AttackSpec, cell: Cell) -> int:
        """Side length of the attacker's images: a number, the dataset's own, or the cell's."""
        if attack.pixels == "native":
            return config.dataset(cell.dataset).pixels
        return attack.pixels or self.sizes(cell).input

    @config.cached
    def transform(self, cell: Cell) -> TransformSpec:
        """The transform of a cell, without the part that the cell's ablation switches off or fixes.

        Raises:
            AtopError: it has no such part.
        """
        name = "none" if cell.ablation == "no_transform" else cell.transform
        options = {**config.transform(name), **self.settings.transforms.get(name, {})}
        parts = {"no_noise": "sigma", "no_mask": "missing_rate", "fixed_mask": "grid"}
        part = parts.get(cell.ablation)
        if part and part not in options:
            file = f"{config.folder()}/transforms.yaml"
            raise AtopError(f"{file}: {name} has no {part}, so no {cell.ablation}")
        if cell.ablation == "fixed_mask":
            options["fixed_mask"] = True
        elif part:
            options[part] = 0.0
        if options.get("noise_pixels") == "native":
            sizes, pixels = self.sizes(cell), config.dataset(cell.dataset).pixels
            options["noise_pixels"] = min(pixels, sizes.input, sizes.purifier)
        return TransformSpec(options.pop("method", name), options)

    def views(self, cell: Cell) -> int:
        """Number of masked views of an image that the purifier processes."""
        return self.transform(cell).options.get("masks", 1)  # type: ignore[no-any-return]

    @config.cached
    def recipe(self, cell: Cell) -> Recipe:
        """The recipe of a cell, with what it says about the transform and what the preset sets."""
        recipe = under(config.recipe(cell.recipe), Recipe, cell.transform, key="transforms")
        return recipe.model_copy(update=self.settings.recipe.given())

    @config.cached
    def purifier(self, name: str, dataset: str = "") -> PurifierSpec:
        """A purifier's options, loss options and weights; a dataset may have other options."""
        own = self.settings.purifiers.get(name, PurifierSettings())
        options = own.options | own.overrides.get(dataset, {})
        return PurifierSpec(options=options, loss=own.loss, checkpoints=own.checkpoints)

    @config.cached
    def inits(self, purifier: str) -> set[str]:
        """Inits of a purifier: scratch, the preset's files, rows of checkpoints.yaml."""
        public = (row.partition("-")[::2] for row in config.checkpoints())
        rows = {init for name, init in public if name == purifier}
        return {"scratch", *self.purifier(purifier).checkpoints, *rows}

    def execution(self, kind: str) -> Execution:
        """Execution of networks in training (`train`) or under attack (`attack`)."""
        compute = self.settings.compute
        return compute.train if kind == "train" else compute.attack

    def classifier_training(self, dataset: str, name: str) -> ClassifierTraining:
        """The budget of a classifier; an adversarially trained one has a budget of its own."""
        robust = config.classifier(name).training == "adversarial"
        stage = "robust" if robust else "classifier"
        return under(self._stage(stage), ClassifierTraining, dataset, name)

    def pretraining(self, purifier: str) -> Pretraining:
        """The budget that pretrains a purifier."""
        return under(self._stage("pretrain"), Pretraining, purifier)

    def finetuning(self, cell: Cell) -> PurifierTraining:
        """The budget of a cell's purifier: of L_org, or of AToP and its controls."""
        stage = "l_org" if cell.finetune == "none" else "atop"
        names = (cell.dataset, cell.transform, cell.purifier)
        return under(self._stage(stage), PurifierTraining, *names)

    def tuning(self, cell: Cell) -> ClassifierTraining:
        """The budget that trains f on t(x)."""
        names = (cell.dataset, cell.transform, cell.purifier)
        return under(self._stage("tune"), ClassifierTraining, *names)

    def _stage(self, name: str) -> Settings:
        budgets = dict(self.settings.stages)
        if budgets[name] is None:
            known = ", ".join(key for key, budget in budgets.items() if budget)
            raise AtopError(f"{self.file}: stages: no '{name}'; known are {known}")
        return budgets[name]  # type: ignore[no-any-return]


def names() -> list[str]:
    """Names of all presets."""
    return sorted(path.stem for path in (config.folder() / "presets").glob("*.yaml"))


@config.cached
def get(name: str) -> Preset:
    """The preset of a file; AtopError if there is none or it is wrong."""
    return Preset(name, config.load(f"presets/{name}", PresetSettings))
