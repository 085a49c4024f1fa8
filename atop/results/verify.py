"""Whether released records are what they claim to be.

What a record says of itself is held against the config as it stands, against the dataset if that is
here, and against the other records. Nothing is run again.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atop.core.errors import AtopError
from atop.core.values import Dict, number
from atop.data.cache import read_about
from atop.experiment import config, fingerprints, paths
from atop.experiment.cells import Cell
from atop.results import released
from atop.results.records import Records, data

Problems = Iterator[str]

SLACK = 1e-6
"""So far float32 may carry a picture out of its ball."""

ACCOUNT = {"attack", "victim", "budget", "provenance"}
"""What the account of an adversarial set says of it."""


class Verified(NamedTuple):
    """What came of it.

    Attributes:
        counts: how many records each file holds.
        problems: what is wrong with them.
        unread: datasets that are not here, so that labels were held against other records only.
    """

    counts: dict[Path, int]
    problems: list[str]
    unread: list[str]


def verify(files: Iterable[Path]) -> Verified:
    """Check files of results/released/, each by itself and all against each other.

    Raises:
        AtopError: a line that is no record.
    """
    counts, problems, everything = {}, [], []
    for path in files:
        content = _read(path)
        counts[path] = len(content)
        problems += list(_of_file(path, content))
        everything += list(content.items())
    datasets = sorted({record["cell"]["dataset"] for _, record in everything})
    unread = [name for name in datasets if not paths.dataset(name).exists()]
    return Verified(counts, [*problems, *_one_run(everything)], unread)


def _read(path: Path) -> Records:
    if path.stem not in config.tables():
        raise AtopError(f"{path}: not called like a table; known are {', '.join(config.tables())}")
    return released.read(path)


def _of_file(path: Path, content: Records) -> Problems:
    """What is wrong with the records of a file, one by one."""
    for stranger in released.strangers(path.stem, content):
        yield f"{stranger}: no row of {path.stem} shows it"
    for where, record in content.items():
        for check in (_pictures, _settings, _outcomes, _training, _sets, _provenance):
            for problem in check(record, released.cell(record)):
                yield f"{where}: {problem}"


def _pictures(record: Dict, cell: Cell) -> Problems:
    """They are the first n of the preset's choice, with the dataset's labels."""
    row, about = config.dataset(cell.dataset), data(record)
    chosen = config.preset(record["preset"]).evaluation
    if about["name"] != cell.dataset:
        yield f"provenance.data: of {about['name']}"
    known = row.sha256.test
    if known and about.get("sha256") != known:
        yield f"provenance.data: another hash than datasets.yaml has for {cell.dataset}"
    if about["positions"] == "published":
        order = np.random.RandomState(chosen.seed).permutation(row.test_size)
        if record["indices"] != order[: record["n"]].tolist():
            yield "indices: not the first of the preset's choice of test pictures"
    if paths.dataset(cell.dataset).exists():
        test = read_about(paths.dataset(cell.dataset))["test"]
        labels = dict(zip(test["index"], test["labels"], strict=True))
        if [labels.get(one) for one in record["indices"]] != record["labels"]:
            yield f"labels: not those of {paths.dataset(cell.dataset)}"


def _settings(record: Dict, cell: Cell) -> Problems:
    """Suite, budgets, sizes, transform and seed are those of the config."""
    preset, suite = record["preset"], config.suite(record["suite"], record["preset"])
    here = {
        "draws": suite.draws,
        "selection": suite.selection,
        "sizes": config.sizes(preset, cell),
        "transform": config.transform_of(preset, cell)[1],
        "seed": config.preset(preset).seed,
        "victim": cell.victim(record["target"]).id,
    }
    for key, told in here.items():
        if record.get(key) != told:
            yield f"{key}: {record.get(key)}, the config says {told}"
    mark = fingerprints.evaluate(preset, cell, record["suite"])
    if record.get("fingerprint", mark) != mark:
        yield "fingerprint: not that of the config"
    if record["provenance"]["compute"]["precision"] != "float32":
        yield "provenance.compute: evaluated in another number format than float32"
    attacks = [one["attack"] for one in record["evaluations"]]
    if tuple(attacks) != suite.attacks:
        yield f"evaluations: {attacks}, the suite has {list(suite.attacks)}"
    budgets = {one: config.attack(config.entry(one, "")[0], preset) for one in attacks}
    n = config.evaluated(record["suite"], preset, cell.dataset, record["target"])
    if record["n"] != n:
        yield f"n: {record['n']}, the config says {n}"
    for one in record["evaluations"]:
        if one["budget"] != budgets[one["attack"]]:
            yield f"{one['attack']}: {one['budget']}, the config says {budgets[one['attack']]}"


def _outcomes(record: Dict, cell: Cell) -> Problems:
    """Predictions are classes, and there are selection draws where the suite has some."""
    classes = config.dataset(cell.dataset).classes
    wanted = bool(config.suite(record["suite"], record["preset"]).selection)
    for one in record["evaluations"]:
        selected = one.get("selection", {}).get("predictions", [])
        if not all(0 <= k < classes for draw in (*one["predictions"], *selected) for k in draw):
            yield f"{one['attack']}: predictions that are no classes"
        fixed = one["budget"].get("through") == "fixed"
        if ("selection" in one) != (wanted and not fixed):
            yield f"{one['attack']}: selection draws are missing, or not the suite's"


def _training(record: Dict, cell: Cell) -> Problems:
    """Its weights were trained as the config says, with the classifier that was evaluated."""
    made = record.get("training")
    own = cell.purifies or cell.finetune == "classifier"
    if not made or not own:
        if bool(made) != own:
            yield "training: there" if made else "training: missing"
        return
    settings = made["settings"]
    if settings["cell"]["id"] != cell.weights.id:
        yield f"training: of {settings['cell']['id']}"
    if settings["fingerprint"] != fingerprints.finetune(record["preset"], cell.weights):
        yield "training: with other settings than the config's"
    knows_f = cell.finetune in ("adversarial", "clean")
    if settings.get("classifier_sha256") != (_hash_of_f(record) if knows_f else None):
        yield "training: with another classifier than the one evaluated"


def _sets(record: Dict, cell: Cell) -> Problems:
    """Each set was made by its attack on its victim, and stays in its ball."""
    for one in record["evaluations"]:
        made, budget, name = one["adversarial"], one["budget"], one["attack"]
        if budget["method"] == "clean":
            if one["distance"].get("linf") != 0 or made:
                yield f"{name}: clean pictures that were changed"
            continue
        if not made or not made.keys() >= ACCOUNT:
            yield f"{name}: no account of its set"
            continue
        attack, target = config.entry(name, record["target"])
        victim = cell.victim(target)
        if (made["attack"], made["victim"]["id"]) != (attack, victim.id):
            yield f"{name}: is {made['attack']} on {made['victim']['id']}"
        mark = fingerprints.attack(record["preset"], victim, attack)
        if made.get("fingerprint", mark) != mark:
            yield f"{name}: fingerprint: not that of the config"
        told = {"precision": "float32", **config.compute(record["preset"], "attack")}
        if not told.items() <= made["provenance"]["compute"].items():
            yield f"{name}: made with {made['provenance']['compute']}, the config says {told}"
        if made["budget"] != budget:
            yield f"{name}: made with another budget than the one reported"
        weights = made["provenance"]["checkpoints"]
        evaluated = record["provenance"]["checkpoints"]
        same_f = (victim.finetune == "classifier") == (cell.finetune == "classifier")
        if same_f and weights.get("classifier") != evaluated.get("classifier"):
            yield f"{name}: made on another classifier than the one evaluated"
        if victim.weights == cell.weights and weights != evaluated:
            yield f"{name}: made on other weights than those evaluated"
        reached = one["distance"].get("linf" if budget.get("norm") == "Linf" else "l2_max")
        if "eps" in budget and (reached is None or reached > number(budget["eps"]) + SLACK):
            yield f"{name}: reaches {reached}, its ball is {budget['eps']}"


def _provenance(record: Dict, cell: Cell) -> Problems:
    """Code, device and weights are named; the code was a commit as it stands."""
    if cell.purifies and not record["provenance"]["checkpoints"].get("purifier"):
        yield "provenance.checkpoints: no purifier"
    steps = {"evaluated": record["provenance"]}
    if made := record.get("training"):
        steps["trained"] = made["provenance"]
    for one in record["evaluations"]:
        if (one["adversarial"] or {}).get("provenance"):
            steps[one["attack"]] = one["adversarial"]["provenance"]
    for what, step in steps.items():
        if not step.get("commit") or step["commit"].endswith("+"):
            yield f"{what} by code that is no commit ({step.get('commit')})"
        if not step.get("processor"):
            yield f"{what} on a machine that is not named"
    public = [str(config.checkpoint(name).get("sha256")) for name in _public(cell)]
    if public and "None" not in public and _hash_of_f(record) != "+".join(public):
        yield "provenance.checkpoints: not the public classifier of checkpoints.yaml"


def _one_run(content: list[tuple[Path, Dict]]) -> Problems:
    """Records that name the same weights, set or image mean the same one.

    A set that was made again, at another time or on another machine, is another one: a finding of
    the table says that rows were handed different ones (atop/results/table_findings.py).
    """
    seen: dict[tuple[str, ...], str] = {}

    def differs(value: object, *name: str) -> bool:
        return seen.setdefault(name, str(value)) != str(value)

    for where, record in content:
        preset, cell = record["preset"], released.cell(record)
        for index, label in zip(record["indices"], record["labels"], strict=True):
            if differs(label, config.whole(cell.dataset), str(index)):
                yield f"{where}: picture {index} has another label in another record"
        used = [(cell, record["provenance"])]
        for one in record["evaluations"]:
            made = one["adversarial"]
            if made and made.keys() >= ACCOUNT:
                victim = Cell.parse(made["victim"]["id"])
                used.append((victim, made["provenance"]))
                name = (preset, made["victim"]["id"], made["attack"])
                if differs(made["sha256"], *name, str(made["provenance"].get("created"))):
                    yield f"{where}: {one['attack']}: another set than another record was handed"
        for of, provenance in used:
            hashes = provenance["checkpoints"]
            if of.purifies and differs(hashes.get("purifier"), preset, of.weights.id):
                yield f"{where}: other weights than another record has of {of.weights.id}"
            tuned = of.weights.id if of.finetune == "classifier" else ""
            if differs(hashes.get("classifier"), preset, of.dataset, of.classifier, tuned):
                yield f"{where}: another {of.classifier} than another record has"


def _hash_of_f(record: Dict) -> str:
    """SHA-256 of the classifier's files, as a training names them."""
    hashes = record["provenance"]["checkpoints"]
    return "+".join(hashes[name] for name in sorted(hashes) if name.startswith("classifier"))


def _public(cell: Cell) -> list[str]:
    """Rows of checkpoints.yaml of its classifier, if it has public weights and keeps them."""
    if cell.finetune == "classifier":
        return []
    names = config.public_weights(cell.dataset, cell.classifier)
    return [name for name in names if name in config.read("checkpoints")]
