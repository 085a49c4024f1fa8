"""Verification of released records: against the config, the dataset and each other.

The dataset is used if it is on disk. No stage is run again.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atop.core.errors import AtopError
from atop.core.values import Dict, number
from atop.data.cache import read_about
from atop.experiment import config, paths, presets
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.stages.finetuning import finetuning
from atop.experiment.targets import target_of
from atop.results import released
from atop.results.records import Records, data, steps

Problems = Iterator[str]

SLACK = 1e-6
"""Rounding of float32 may move an image out of its ball by as much."""

METADATA = {"attack", "victim", "budget", "provenance"}
"""Keys that describe an adversarial set; those of older records lack them."""


class Verified(NamedTuple):
    """Result of a verification.

    Attributes:
        counts: number of records in each file.
        problems: what is wrong with them.
        unread: datasets that are not on disk; their labels were only compared between records.
    """

    counts: dict[Path, int]
    problems: list[str]
    unread: list[str]


def verify(files: Iterable[Path]) -> Verified:
    """Check files of results/released/, each record by itself and all against each other.

    Raises:
        AtopError: a line that is no record.
    """
    counts, problems, everything = {}, [], []
    for path in files:
        if path.stem not in config.tables():
            known = ", ".join(config.tables())
            raise AtopError(f"{path}: not the name of a table; known are {known}")
        content = released.read(path)
        counts[path] = len(content)
        problems += list(_file(path, content))
        everything += list(content.items())
    datasets = sorted({record["cell"]["dataset"] for _, record in everything})
    unread = [name for name in datasets if not paths.dataset(name).exists()]
    return Verified(counts, [*problems, *_agreement(everything)], unread)


def _file(path: Path, content: Records) -> Problems:
    """Check the records of a file one by one."""
    for key in released.without_row(path.stem, content):
        yield f"{key}: no row of {path.stem} shows it"
    for key, record in content.items():
        for check in (_images, _settings, _outcomes, _training, _sets, _provenance):
            for problem in check(record, released.cell(record)):
                yield f"{key}: {problem}"


def _images(record: Dict, cell: Cell) -> Problems:
    """Check that images are the first n of the preset's choice, with the dataset's labels."""
    row, source = config.dataset(cell.dataset), data(record)
    chosen = presets.get(record["preset"]).settings.evaluation
    if source["name"] != cell.dataset:
        yield f"provenance.data: is {source['name']}, not {cell.dataset}"
    known = row.sha256.test
    if known and source.get("sha256") != known:
        yield f"provenance.data: another hash than datasets.yaml has for {cell.dataset}"
    if source["positions"] == "published":
        order = np.random.RandomState(chosen.seed).permutation(row.test_size)
        if record["indices"] != order[: record["n"]].tolist():
            yield "indices: not the first of the preset's choice of test images"
    if paths.dataset(cell.dataset).exists():
        test = read_about(paths.dataset(cell.dataset))["test"]
        labels = dict(zip(test["index"], test["labels"], strict=True))
        if [labels.get(index) for index in record["indices"]] != record["labels"]:
            yield f"labels: not those of {paths.dataset(cell.dataset)}"


def _settings(record: Dict, cell: Cell) -> Problems:
    """Check that suite, budgets, sizes, transform and seed are those of the config."""
    preset, target = presets.get(record["preset"]), record["target"]
    stage = Evaluate(preset=preset, cell=cell, suite=record["suite"], target=target)
    suite = stage.spec
    expected = {
        "draws": suite.draws,
        "selection": suite.selection,
        "sizes": preset.sizes(cell).given(),
        "transform": preset.transform(cell).options,
        "seed": preset.settings.seed,
        "victim": target_of(cell, target).id,
        "n": stage.n,
    }
    for key, value in expected.items():
        if record.get(key) != value:
            yield f"{key}: {record.get(key)}, the config says {value}"
    fingerprint = stage.fingerprint
    if record.get("fingerprint", fingerprint) != fingerprint:
        yield "fingerprint: not that of the config"
    if record["provenance"]["compute"]["precision"] != "float32":
        yield "provenance.compute: evaluated in another number format than float32"
    entries = [run["attack"] for run in record["evaluations"]]
    if tuple(entries) != suite.attacks:
        yield f"evaluations: {entries}, the suite has {list(suite.attacks)}"
    for run in record["evaluations"]:
        budget = preset.attack(parse_entry(run["attack"], "").attack).given()
        if run["budget"] != budget:
            yield f"{run['attack']}: {run['budget']}, the config says {budget}"


def _outcomes(record: Dict, cell: Cell) -> Problems:
    """Check that predictions are classes, and selection draws there if the suite has some."""
    classes = config.dataset(cell.dataset).classes
    selects = bool(presets.get(record["preset"]).suite(record["suite"]).selection)
    for run in record["evaluations"]:
        selected = run.get("selection", {}).get("predictions", [])
        if not all(0 <= k < classes for draw in (*run["predictions"], *selected) for k in draw):
            yield f"{run['attack']}: predictions that are no classes"
        fixed = run["budget"].get("through") == "fixed"
        if ("selection" in run) != (selects and not fixed):
            yield f"{run['attack']}: selection draws are missing, or the suite has none"


def _training(record: Dict, cell: Cell) -> Problems:
    """Check that weights were trained as the config says, with the classifier of the cell."""
    training = record.get("training")
    trained = cell.purifies or cell.finetune == "classifier"
    if not training or not trained:
        if bool(training) != trained:
            yield "training: missing" if trained else "training: the cell has no trained weights"
        return
    settings = training["settings"]
    if settings["cell"]["id"] != cell.weights.id:
        yield f"training: of {settings['cell']['id']}, not of {cell.weights.id}"
    stage = finetuning(presets.get(record["preset"]), cell.weights)
    if settings["fingerprint"] != stage.fingerprint:
        yield "training: with other settings than the config's"
    execution = presets.get(record["preset"]).execution("train")
    for compute in (settings["compute"], training["provenance"]["compute"]):
        if not execution.allows(compute):
            yield f"training: with {compute}, the config says {execution.model_dump()}"
    uses_classifier = cell.finetune in ("adversarial", "clean")
    expected = _classifier_hash(record["provenance"]) if uses_classifier else None
    if cell.trained_with:  # without a public one, `_agreement` compares it with other records
        public = _public_hash(cell.dataset, cell.trained_with)
        if public and settings.get("classifier_sha256") != public:
            yield f"training: with another {cell.trained_with} than that of checkpoints.yaml"
    elif settings.get("classifier_sha256") != expected:
        yield "training: with another classifier than the one evaluated"


def _sets(record: Dict, cell: Cell) -> Problems:
    """Check that each adversarial set is of its attack on its target, and stays in its ball."""
    for run in record["evaluations"]:
        metadata, name = run["adversarial"], run["attack"]
        if run["budget"]["method"] == "clean":
            if run["distance"].get("linf") != 0 or metadata:
                yield f"{name}: clean images that were changed"
        elif not metadata or not metadata.keys() >= METADATA:
            yield f"{name}: no metadata of its adversarial set"
        else:
            for problem in _set(record, cell, run):
                yield f"{name}: {problem}"


def _set(record: Dict, cell: Cell, run: Dict) -> Problems:
    metadata, budget = run["adversarial"], run["budget"]
    _, attack, kind = parse_entry(run["attack"], record["target"])
    preset, target = presets.get(record["preset"]), target_of(cell, kind)
    if (metadata["attack"], metadata["victim"]["id"]) != (attack, target.id):
        yield f"is {metadata['attack']} on {metadata['victim']['id']}"
    fingerprint = Attack(preset=preset, cell=target, attack=attack).fingerprint
    if metadata.get("fingerprint", fingerprint) != fingerprint:
        yield "fingerprint: not that of the config"
    compute, execution = metadata["provenance"]["compute"], preset.execution("attack")
    if not execution.allows(compute):
        yield f"made with {compute}, the config says {execution.model_dump()}"
    if metadata["budget"] != budget:
        yield "made with another budget than the one reported"
    attacked = metadata["provenance"]["checkpoints"]
    evaluated = record["provenance"]["checkpoints"]
    tuned = {target.finetune == "classifier", cell.finetune == "classifier"}
    same_classifier = len(tuned) == 1 and target.classifier == cell.classifier
    if same_classifier and attacked.get("classifier") != evaluated.get("classifier"):
        yield "made on another classifier than the one evaluated"
    if target.weights == cell.weights and attacked != evaluated:
        yield "made on other weights than those evaluated"
    distance = run["distance"].get("linf" if budget.get("norm") == "Linf" else "l2_max")
    if "eps" in budget and (distance is None or distance > number(budget["eps"]) + SLACK):
        yield f"reaches {distance}, its ball is {budget['eps']}"


def _provenance(record: Dict, cell: Cell) -> Problems:
    """Check that code, device and weights are named, and that the code was a commit."""
    if cell.purifies and not record["provenance"]["checkpoints"].get("purifier"):
        yield "provenance.checkpoints: no purifier"
    for name, step in steps(record):
        if not step.get("commit") or step["commit"].endswith("+"):
            yield f"{name} by code that is no commit ({step.get('commit')})"
        if not step.get("processor"):
            yield f"{name} on a machine that is not named"
    if cell.finetune == "classifier":
        return
    public = _public_hash(cell.dataset, cell.classifier)
    if public and _classifier_hash(record["provenance"]) != public:
        yield "provenance.checkpoints: not the public classifier of checkpoints.yaml"


def _agreement(content: list[tuple[Path, Dict]]) -> Problems:
    """Check that records agree on labels of images, on adversarial sets and on weights.

    A set that was made again, at another time or on another machine, is a different set: that is a
    finding of the table (atop/results/table_findings.py).
    """
    seen: dict[tuple[str, ...], str] = {}

    def differs(value: object, *name: str) -> bool:
        return seen.setdefault(name, str(value)) != str(value)

    for key, record in content:
        preset, cell = record["preset"], released.cell(record)
        for index, label in zip(record["indices"], record["labels"], strict=True):
            if differs(label, config.full_dataset(cell.dataset), str(index)):
                yield f"{key}: image {index} has another label in another record"
        used = [(cell, record["provenance"])]
        for run in record["evaluations"]:
            metadata = run["adversarial"]
            if metadata and metadata.keys() >= METADATA:
                target, provenance = metadata["victim"]["id"], metadata["provenance"]
                used.append((Cell.parse(target), provenance))
                name = (preset, target, metadata["attack"], str(provenance.get("created")))
                if differs(metadata["sha256"], *name):
                    yield f"{key}: {run['attack']}: another adversarial set than in another record"
        for of, provenance in used:
            hashes = provenance["checkpoints"]
            if of.purifies and differs(hashes.get("purifier"), preset, of.weights.id):
                yield f"{key}: other weights than another record has of {of.weights.id}"
            tuned = of.weights.id if of.finetune == "classifier" else ""
            if differs(_classifier_hash(provenance), preset, of.dataset, of.classifier, tuned):
                yield f"{key}: another {of.classifier} than another record has"
        if cell.trained_with and (training := record.get("training")):
            other = training["settings"].get("classifier_sha256")
            if differs(other, preset, cell.dataset, cell.trained_with, ""):
                yield f"{key}: trained with another {cell.trained_with} than another record has"


def _classifier_hash(provenance: Dict) -> str:
    """SHA-256 of the classifier's files, as the metadata of a training names them."""
    hashes = provenance["checkpoints"]
    return "+".join(hashes[name] for name in sorted(hashes) if name.startswith("classifier"))


def _public_hash(dataset: str, classifier: str) -> str:
    """The same of a classifier's public weights; empty unless checkpoints.yaml has all hashes."""
    rows, names = config.checkpoints(), config.public_weights(dataset, classifier)
    hashes = [rows[name].sha256 or "" for name in names if name in rows]
    return "+".join(hashes) if all(hashes) else ""
