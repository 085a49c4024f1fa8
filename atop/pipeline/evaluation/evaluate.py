"""Outcomes of a cell on clean pictures and on the adversarial sets of a suite."""

from pathlib import Path

import torch
from torch import Tensor

from atop.core.errors import AtopError
from atop.core.execution import FLOAT32
from atop.core.files import read_json, sha256, write_json
from atop.core.memory import halving
from atop.core.progress import progress
from atop.core.provenance import Stopwatch
from atop.core.randomness import Randomness
from atop.core.resumable import State
from atop.core.values import Dict
from atop.data.cache import read_about
from atop.data.dataset import Inputs, Split
from atop.experiment import config, fingerprints, paths
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import Suite
from atop.method.attack import margin
from atop.method.defense import Defense
from atop.method.surrogates import fixed_draw
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import checkpoint_hashes, load_adversarial
from atop.pipeline.evaluation.gradient_probe import EXAMPLES, probe
from atop.results.checks import findings

Images = Tensor | Inputs
"""(N, 3, H, W) of which a slice is taken at a time, from a file or made when it is asked for."""


class Evaluation:
    """Classifies pictures with a defence under draws that no attack has seen.

    Args:
        defense: on the device.
        split: the test images, on the CPU.
        seed, batch: of the preset.
        device: where images are classified, a batch at a time.
    """

    def __init__(
        self, defense: Defense, split: Split, *, seed: int, batch: int, device: torch.device
    ) -> None:
        self.defense, self.split, self.seed, self.batch = defense, split, seed, batch
        self.device, self.index = device, split.index.to(device)

    def inputs(self, pixels: int) -> Inputs:
        """The clean images, handed in at a size."""
        return Inputs(self.split, pixels, self.device)

    def outcomes(self, images: Images, budget: Dict, suite: Suite) -> Dict:
        """Predictions on an attack's pictures, and a selection if the suite has draws for it."""
        if budget.get("through") == "fixed":
            return {"predictions": self.known_draw(images)}
        found: Dict = {"predictions": self.predictions(images, suite.draws)}
        if suite.selection:
            found["selection"] = self.selection(images, suite.selection)
        return found

    def predictions(self, images: Images, draws: int) -> list[list[int]]:
        """Predicted classes (draws, N) under fresh draws of stream `evaluate`."""
        drawn = draws if self.defense.random else 1
        found = [self._logits(images, self._draw("evaluate", k)).argmax(1) for k in range(drawn)]
        return [one.tolist() for one in found] * (draws // drawn)

    def selection(self, images: Images, draws: int) -> Dict:
        """Predictions (draws, N) and mean margins (N,) under draws of stream `select`.

        A worst case over several attacks is picked on these and reported on the others.
        """
        drawn = draws if self.defense.random else 1
        logits = [self._logits(images, self._draw("select", k)) for k in range(drawn)]
        labels = self.split.labels.to(self.device)
        margins = torch.stack([-margin(one, labels) for one in logits]).mean(0)
        predicted = [one.argmax(1).tolist() for one in logits] * (draws // drawn)
        return {"predictions": predicted, "margins": [round(m, 4) for m in margins.tolist()]}

    def known_draw(self, images: Images) -> list[list[int]]:
        """Predicted classes (1, N) under the one draw that a fixed-randomness attack knew."""
        randomness = fixed_draw(Randomness(self.seed, "", self.index))
        return [self._logits(images, randomness).argmax(1).tolist()]

    def probe(self, pixels: int) -> dict[str, float | bool]:
        """What outputs and gradients look like on the first pictures, handed in at a size."""
        few = self.split.take(slice(0, EXAMPLES)).to(self.device)
        randomness = Randomness(self.seed, "probe", few.index)
        return probe(self.defense, few.inputs(pixels), few.labels, randomness)

    def _draw(self, stream: str, draw: int) -> Randomness:
        return Randomness(self.seed, stream, self.index, draw)

    @torch.no_grad()
    def _logits(self, images: Images, randomness: Randomness) -> Tensor:
        """(N, classes) logits; a batch that does not fit into memory is halved."""

        def classify(batch: int) -> Tensor:
            self.batch = batch  # what fits is remembered
            parts = [slice(k, k + batch) for k in range(0, len(images), batch)]
            found = (self.defense(images[p].to(self.device), randomness.select(p)) for p in parts)
            return torch.cat(list(found))

        try:
            return halving(classify, self.batch)
        except torch.OutOfMemoryError:
            raise AtopError("evaluate: not even one picture fits into memory") from None


@FLOAT32.arithmetic()
def evaluate(preset: str, cell: Cell, suite: str, target: str, *, device: torch.device) -> Path:
    """Classify a suite's adversarial sets with a cell; write its record.

    A run that was killed goes on after the last set that it saved. SIGTERM lets it end its set and
    save it; the process then ends with exit code 143.
    """
    watch = Stopwatch(device)
    chosen, row = config.preset(preset), config.suite(suite, preset)
    entries = {text: config.entry(text, target) for text in row.attacks}
    n = config.evaluated(suite, preset, cell.dataset, target)
    split = assemble.evaluation_set(preset, cell.dataset, n)
    defense = assemble.defense(preset, cell).to(device)
    batch = chosen.evaluation.batch
    judge = Evaluation(defense, split, seed=chosen.seed, batch=batch, device=device)
    hashes, data = checkpoint_hashes(preset, cell), _data(cell.dataset)
    fingerprint = fingerprints.evaluate(preset, cell, suite)
    out = paths.record(preset, cell, suite, target)
    state = State(paths.state(out), config.digest(fingerprint, hashes, data))
    evaluations = _evaluations(preset, cell, entries, row=row, judge=judge, state=state)
    record = {
        "schema": 2,
        "preset": preset,
        "cell": cell.as_dict(),
        "suite": suite,
        "target": target,
        "victim": cell.victim(target).id,
        "fingerprint": fingerprint,
        "resumed": state.resumed,  # the time below is then that since
        "n": n,
        "draws": row.draws,
        "selection": row.selection,
        "indices": split.index.tolist(),
        "labels": split.labels.tolist(),
        "evaluations": evaluations,
        "networks": {
            "classifier": _network(cell.classifier, defense.classifier),
            "purifier": _network(cell.purifier, defense.purifier),
        },
        "sizes": config.sizes(preset, cell),
        "seed": chosen.seed,
        "transform": config.transform_of(preset, cell)[1],
        "training": _training(preset, cell),
    }
    if target == "defense":
        pixels = config.pixels(evaluations[0]["budget"], preset, cell)
        record["probe"] = judge.probe(pixels)
    record["findings"] = findings(record)
    record["provenance"] = watch.provenance(
        config_digest=config.digest(
            chosen.given(), row.given(), [one["budget"] for one in evaluations]
        ),
        checkpoints=hashes,
        data=data,
        compute=FLOAT32.as_dict(),
    )
    write_json(out, record)
    state.remove()
    return out


def _evaluations(
    preset: str,
    cell: Cell,
    entries: dict[str, tuple[str, str]],
    *,
    row: Suite,
    judge: Evaluation,
    state: State,
) -> list[Dict]:
    """Outcomes on each set of a suite, `row`; what was found earlier is not looked for again."""
    earlier: list[Dict] = state.content.get("evaluations", [])
    evaluations: list[Dict] = []
    with state.running(), progress(f"evaluate {cell.id}", len(entries), unit="attack") as bar:
        for text, (attack, victim) in entries.items():
            budget = config.attack(attack, preset)
            clean = judge.inputs(config.pixels(budget, preset, cell))
            images, account = _handed(preset, cell.victim(victim), attack, judge.split, clean)
            told = {"attack": text, "budget": budget, "adversarial": account}
            same = (one for one in earlier if told.items() <= one.items())
            found = next(same, None) or {
                **told,
                **judge.outcomes(images, budget, row),
                "distance": _distance(images, clean, batch=judge.batch),
            }
            evaluations.append(found)
            bar.update()
            if state.due():
                state.save(evaluations=evaluations)
    return evaluations


def _handed(
    preset: str, victim: Cell, attack: str, split: Split, clean: Inputs
) -> tuple[Images, Dict | None]:
    """The pictures that a cell is handed under an attack, and the account of how they were made."""
    if config.attack(attack, preset)["method"] == "clean":
        return clean, None
    path = paths.adversarial(preset, victim, attack)
    images = load_adversarial(path, split)
    return images, {"sha256": sha256(path), **read_json(path.with_suffix(".json"))}


def _training(preset: str, cell: Cell) -> Dict | None:
    """How a cell's own weights came about, but for the metrics; None if it has none of its own."""
    if cell.purifies:
        path = paths.purifier(preset, cell)
    elif cell.finetune == "classifier":
        path = paths.tuned(preset, cell)
    else:
        return None
    account = read_json(path.with_suffix(".json"))
    return {key: account[key] for key in ("settings", "provenance")}


def _data(name: str) -> Dict:
    """Which pictures these are, and how far that is known."""
    about = read_about(paths.dataset(name))
    known = {key: about[key] for key in ("verified", "positions")}
    return {"name": name, "sha256": about["test"]["sha256"], **known}


def _network(name: str, network: torch.nn.Module) -> Dict:
    return {"name": name, "parameters": sum(p.numel() for p in network.parameters())}


def _distance(images: Images, clean: Images, *, batch: int) -> dict[str, float]:
    """How far an adversarial set went: largest and mean distances, share of unmoved images."""
    parts = [slice(k, k + batch) for k in range(0, len(images), batch)]
    deltas = ((images[part].cpu() - clean[part].cpu()).flatten(1) for part in parts)
    linf, l2, unmoved = (
        torch.cat(one)
        for one in zip(
            *((d.abs().amax(1), d.norm(dim=1), (d == 0).all(dim=1)) for d in deltas), strict=True
        )
    )
    return {
        "linf": float(linf.max()),
        "l2": float(l2.mean()),
        "l2_max": float(l2.max()),
        "unmoved": float(unmoved.float().mean()),
    }
