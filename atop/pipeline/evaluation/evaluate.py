"""Evaluation: outcomes of a cell on clean images and on the adversarial sets of a suite."""

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
from atop.experiment import config, paths
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.attacks import AttackSpec, Entry, Suite
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.targets import target_of
from atop.method.attack import margin
from atop.method.defense import Defense
from atop.method.surrogates import fixed_draw
from atop.method.user_module import UserModule
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import checkpoint_hashes, load_adversarial
from atop.pipeline.evaluation.gradient_probe import EXAMPLES, probe, probe_module
from atop.results.checks import findings

Images = Tensor | Inputs
"""(N, 3, H, W), from a file or computed; read a slice at a time."""


class Evaluation:
    """Classifies images with a defence under draws that no attack has seen.

    Args:
        defense: on the device.
        split: the test images, on the CPU.
        seed, batch: of the preset.
        device: of the defence; one batch at a time is there.
    """

    def __init__(
        self, defense: Defense, split: Split, *, seed: int, batch: int, device: torch.device
    ) -> None:
        self.defense, self.split, self.seed, self.batch = defense, split, seed, batch
        self.device, self.index = device, split.index.to(device)

    def inputs(self, pixels: int) -> Inputs:
        """The clean images at a size."""
        return Inputs(self.split, pixels, self.device)

    def outcomes(self, images: Images, attack: AttackSpec, suite: Suite) -> Dict:
        """Predictions on an attack's images, and a selection if the suite has draws for it."""
        if attack.through == "fixed":
            return {"predictions": self.known_draw(images)}
        predictions: Dict = {"predictions": self.predictions(images, suite.draws)}
        if suite.selection:
            predictions["selection"] = self.selection(images, suite.selection)
        return predictions

    def predictions(self, images: Images, draws: int) -> list[list[int]]:
        """Predicted classes (draws, N) under fresh draws of stream `evaluate`."""
        drawn = draws if self.defense.random else 1
        logits = (self._logits(images, self._draw("evaluate", k)) for k in range(drawn))
        return [each.argmax(1).tolist() for each in logits] * (draws // drawn)

    def selection(self, images: Images, draws: int) -> Dict:
        """Predictions (draws, N) and mean margins (N,) under draws of stream `select`.

        A worst case over several attacks is picked on these and reported on the others.
        """
        drawn = draws if self.defense.random else 1
        logits = [self._logits(images, self._draw("select", k)) for k in range(drawn)]
        labels = self.split.labels.to(self.device)
        margins = torch.stack([-margin(each, labels) for each in logits]).mean(0)
        predicted = [each.argmax(1).tolist() for each in logits] * (draws // drawn)
        return {"predictions": predicted, "margins": [round(m, 4) for m in margins.tolist()]}

    def known_draw(self, images: Images) -> list[list[int]]:
        """Predicted classes (1, N) under the one draw that a fixed-randomness attack knew."""
        randomness = fixed_draw(Randomness(self.seed, "", self.index))
        return [self._logits(images, randomness).argmax(1).tolist()]

    def probe(self, pixels: int) -> dict[str, float | bool]:
        """Statistics of outputs and gradients on the first images at a size."""
        first = self.split.take(slice(0, EXAMPLES)).to(self.device)
        randomness = Randomness(self.seed, "probe", first.index)
        x, f = first.inputs(pixels), self.defense.classifier
        if not isinstance(f, UserModule):
            return probe(self.defense, x, first.labels, randomness)
        statistics = probe(self.defense, x, first.labels, randomness, foreign=True)
        return {**statistics, **probe_module(f, x, randomness)}

    def _draw(self, stream: str, draw: int) -> Randomness:
        return Randomness(self.seed, stream, self.index, draw)

    @torch.no_grad()
    def _logits(self, images: Images, randomness: Randomness) -> Tensor:
        """(N, classes) logits; a batch that does not fit into memory is halved."""

        def classify(batch: int) -> Tensor:
            self.batch = batch  # what fits is remembered
            parts = [slice(k, k + batch) for k in range(0, len(images), batch)]
            logits = (self.defense(images[p].to(self.device), randomness.select(p)) for p in parts)
            return torch.cat(list(logits))

        try:
            return halving(classify, self.batch)
        except torch.OutOfMemoryError:
            raise AtopError("evaluate: not even one image fits into memory") from None


@FLOAT32.arithmetic()
def evaluate(stage: Evaluate, device: torch.device) -> Path:
    """Classify a suite's adversarial sets with a cell; write its record.

    A run that was killed goes on after the last set that it saved. After SIGTERM it ends its set
    and saves it; the process then ends with exit code 143.
    """
    watch, preset, cell, suite = Stopwatch(device), stage.preset, stage.cell, stage.spec
    settings, out = preset.settings, stage.file
    split = assemble.evaluation_set(preset, cell.dataset, stage.n)
    defense = assemble.defense(preset, cell).to(device)
    batch, seed = settings.evaluation.batch, settings.seed
    judge = Evaluation(defense, split, seed=seed, batch=batch, device=device)
    hashes, data = checkpoint_hashes(preset, cell), _data(cell.dataset)
    state = State(paths.state(out), config.digest(stage.fingerprint, hashes, data))
    evaluations = _evaluations(stage, judge, state)
    record = {
        "schema": 2,
        "preset": preset.name,
        "cell": cell.as_dict(),
        "suite": stage.suite,
        "target": stage.target,
        "victim": target_of(cell, stage.target).id,
        "fingerprint": stage.fingerprint,
        "resumed": state.resumed,  # the time below is then that since
        "n": stage.n,
        "draws": suite.draws,
        "selection": suite.selection,
        "not_applicable": stage.not_applicable,
        "indices": split.index.tolist(),
        "labels": split.labels.tolist(),
        "evaluations": evaluations,
        "networks": {
            "classifier": _network(cell.classifier, defense.classifier),
            "purifier": _network(cell.purifier, defense.purifier),
        },
        "sizes": preset.sizes(cell).given(),
        "seed": seed,
        "transform": preset.transform(cell).options,
        "training": _training(preset, cell),
    }
    if stage.target == "defense":
        first = preset.attack(suite.entries(stage.target)[0].attack)
        record["probe"] = judge.probe(preset.pixels(first, cell))
    record["findings"] = findings(record)
    budgets = [evaluation["budget"] for evaluation in evaluations]
    record["provenance"] = watch.provenance(
        config_digest=config.digest(settings, suite, budgets),
        checkpoints=hashes,
        data=data,
        compute=FLOAT32.as_dict(),
    )
    write_json(out, record)
    state.remove()
    return out


def _evaluations(stage: Evaluate, judge: Evaluation, state: State) -> list[Dict]:
    """Outcomes on each set of a suite; those of an earlier run are kept."""
    preset, cell, suite = stage.preset, stage.cell, stage.spec
    earlier: list[Dict] = state.content.get("evaluations", [])
    evaluations: list[Dict] = []
    with (
        state.running(),
        progress(f"evaluate {cell.id}", len(suite.attacks), unit="attack") as bar,
    ):
        for entry in suite.entries(stage.target):
            attack = preset.attack(entry.attack)
            clean = judge.inputs(preset.pixels(attack, cell))
            images, metadata = _adversarial(stage, entry, judge.split, clean)
            label = {"attack": entry.text, "budget": attack.given(), "adversarial": metadata}
            same = (each for each in earlier if label.items() <= each.items())
            evaluation = next(same, None) or {
                **label,
                **judge.outcomes(images, attack, suite),
                "distance": _distance(images, clean, batch=judge.batch),
            }
            evaluations.append(evaluation)
            bar.update()
            if state.due():
                state.save(evaluations=evaluations)
    return evaluations


def _adversarial(
    stage: Evaluate, entry: Entry, split: Split, clean: Inputs
) -> tuple[Images, Dict | None]:
    """The images of an entry and the metadata of their set; clean images have none."""
    if stage.preset.attack(entry.attack).clean:
        return clean, None
    path = paths.adversarial(stage.preset, target_of(stage.cell, entry.target), entry.attack)
    images = load_adversarial(path, split)
    return images, {"sha256": sha256(path), **read_json(path.with_suffix(".json"))}


def _training(preset: Preset, cell: Cell) -> Dict | None:
    """Settings and provenance of a cell's own weights; None if it has none of its own."""
    if cell.purifies:
        path = paths.purifier(preset, cell)
    elif cell.finetune == "classifier":
        path = paths.tuned(preset, cell)
    else:
        return None
    metadata = read_json(path.with_suffix(".json"))
    return {key: metadata[key] for key in ("settings", "provenance")}


def _data(name: str) -> Dict:
    """The hash of the test images, and how it is known."""
    about = read_about(paths.dataset(name))
    known = {key: about[key] for key in ("verified", "positions")}
    return {"name": name, "sha256": about["test"]["sha256"], **known}


def _network(name: str, network: torch.nn.Module) -> Dict:
    return {"name": name, "parameters": sum(p.numel() for p in network.parameters())}


def _distance(images: Images, clean: Images, *, batch: int) -> dict[str, float]:
    """Distances of an adversarial set: largest and mean, and the share of unmoved images."""
    parts = [slice(k, k + batch) for k in range(0, len(images), batch)]
    deltas = ((images[part].cpu() - clean[part].cpu()).flatten(1) for part in parts)
    linf, l2, unmoved = (
        torch.cat(batches)
        for batches in zip(
            *((d.abs().amax(1), d.norm(dim=1), (d == 0).all(dim=1)) for d in deltas), strict=True
        )
    )
    return {
        "linf": float(linf.max()),
        "l2": float(l2.mean()),
        "l2_max": float(l2.max()),
        "unmoved": float(unmoved.float().mean()),
    }
