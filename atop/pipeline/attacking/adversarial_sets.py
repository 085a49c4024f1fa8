"""Adversarial sets: an attack on a cell, a batch at a time, handed to every evaluation."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.execution import FLOAT32, recompute
from atop.core.files import sha256, write_json, writing
from atop.core.memory import halving
from atop.core.progress import progress
from atop.core.provenance import Stopwatch
from atop.core.randomness import Randomness
from atop.core.resumable import Images
from atop.data.cache import read_about
from atop.data.dataset import Inputs, Split
from atop.experiment import config, fingerprints, paths
from atop.experiment.cells import Cell
from atop.method.attack import Attack, Target, margin
from atop.method.eot import BatchedTarget, expectation
from atop.method.surrogates import SURROGATES
from atop.pipeline import assemble

ROWS = {"cuda": 1 << 30, "cpu": 32}
"""Pictures in one pass. A GPU's memory says when they are too many; more make a CPU no faster."""

TOGETHER = 256
"""Pictures, draws counted, that a batch has on a GPU at most. They keep it busy, and a batch, which
is what a stop may cost, takes hundreds of such passes."""


class Standing(NamedTuple):
    """How well examples stand, over the judge's draws: lower is worse for the defence.

    Attributes:
        right: (B,) share of draws in which the example is classified rightly.
        margin: (B,) mean of the true logit minus the best wrong one; decides between equals.
    """

    right: Tensor
    margin: Tensor

    def below(self, other: "Standing") -> Tensor:
        """(B,) whether each example stands worse than in `other`."""
        closer = (self.right == other.right) & (self.margin < other.margin)
        return (self.right < other.right) | closer


class Siege:
    """An attack as a row of attacks.yaml runs it on a cell: its restarts and its judge."""

    def __init__(self, preset: str, victim: Cell, attack: str, device: torch.device) -> None:
        self.row = config.attack(attack, preset)
        self.method = assemble.attack(preset, attack)
        self.batch = config.preset(preset).evaluation.batch
        self.seed = config.preset(preset).seed
        self.name = attack
        defense = assemble.defense(preset, victim).to(device)
        self.compute = assemble.compute(preset, "attack")
        self.compute.prepare(defense)
        self.compute.fuse(defense.purifier)
        rows = ROWS[device.type]
        through = self.row.get("through", "exact")
        self.whole = BatchedTarget(defense, rows=rows, random=defense.random)
        random = defense.random and through != "fixed"
        seen = SURROGATES[through](defense)
        self.seen = BatchedTarget(seen, rows=rows, random=random, compute=self.compute)
        self.defense = defense
        if random:
            self.batch = at_once(self.batch, self.row.get("eot", 1), device)
        self.restarts: int = self.row.get("restarts", 1)
        several = self.restarts > 1 or hasattr(self.method, "candidates")
        self.chooses = "after" in self.row or several

    def left(self, start: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """(N,) who is attacked: all, or `after` another attack those whom it left.

        Left is an example that some draw of the judge still classifies rightly: no lucky draw takes
        one out. AutoAttack's rule, one forward pass, is the same where draws do not differ.
        """
        if "after" not in self.row:
            return torch.ones_like(y, dtype=torch.bool)
        parts = (torch.split(part, self.batch) for part in (start, y, index))
        standing = [self.judge(*part).right > 0 for part in zip(*parts, strict=True)]
        return torch.cat(standing)

    def run(self, x: Tensor, start: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """Attack a batch; of an example's candidates, `start` among them, the worst is kept.

        A method of one result, without `after` and restarts, is not judged.
        """
        if not self.chooses:
            (found,) = self._attempt(x, y, index, 0)
            return found
        best, standing = start.clone(), self.judge(start, y, index)
        for restart in range(self.restarts):
            for found in self._attempt(x, y, index, restart):
                now = self.judge(found, y, index)
                worse = now.below(standing)
                best = torch.where(worse[:, None, None, None], found, best)
                both = zip(now, standing, strict=True)
                standing = Standing(*(torch.where(worse, new, old) for new, old in both))
        return best

    @FLOAT32.arithmetic()
    def judge(self, images: Tensor, y: Tensor, index: Tensor) -> Standing:
        """Where pictures stand before the whole defence, on draws that no attack step sees."""

        def look(victim: BatchedTarget, draws: Randomness, count: int) -> tuple[Tensor, ...]:
            with torch.no_grad():
                logits = victim(images.repeat(count, 1, 1, 1), draws)
            gaps = -margin(logits, y.repeat(count)).reshape(count, -1)
            right = (logits.argmax(1) == y.repeat(count)).reshape(count, -1)
            return right.to(gaps).sum(0), gaps.sum(0)

        randomness = Randomness(self.seed, f"judge:{self.name}", index)
        draws = self.row.get("judge", config.JUDGE)
        return Standing(*expectation(look, self.whole, len(y), randomness, draws))

    def flags(self, x: Tensor, y: Tensor, index: Tensor) -> list[str]:
        """What the method's own checks object to in what it attacks, if it has any."""
        checks = getattr(self.method, "flags", None)
        draws = Randomness(self.seed, f"flags:{self.name}", index)
        return checks(self.seen, x, y, draws) if checks else []

    def _attempt(self, x: Tensor, y: Tensor, index: Tensor, restart: int) -> list[Tensor]:
        """What a run of the method finds; a batch that does not fit into memory is run in halves.

        If one picture alone does not fit, backward passes keep less from then on and take longer.
        """
        stream = f"attack:{self.name}" + (f":{restart}" if restart else "")

        def attack(first: int) -> list[Tensor]:
            """Attack all at once, or the first of them and the others each on their own."""
            if first == len(x):
                with self.compute.arithmetic():
                    draws = Randomness(self.seed, stream, index)
                    return candidates(self.method, self.seen, x, y, draws)
            parts = (slice(None, first), slice(first, None))
            both = [self._attempt(x[p], y[p], index[p], restart) for p in parts]
            return [torch.cat(halves) for halves in zip(*both, strict=True)]

        try:
            return halving(attack, len(x))
        except torch.OutOfMemoryError:
            if not recompute(self.defense):
                raise AtopError(f"{self.name}: not even one picture fits into memory") from None
        return self._attempt(x, y, index, restart)


def at_once(batch: int, eot: int, device: torch.device) -> int:
    """Pictures of a batch of an attack that averages over draws, of a preset's `batch` at most."""
    return min(batch, max(1, TOGETHER // eot)) if device.type == "cuda" else batch


def run_attack(
    method: Attack, target: Target, x: Tensor, y: Tensor, randomness: Randomness
) -> Tensor:
    """Run an attack and hold it to its contract: inside [0, 1], which NaN is not."""
    return _held(method, method(target, x, y, randomness))


def candidates(
    method: Attack, target: Target, x: Tensor, y: Tensor, randomness: Randomness
) -> list[Tensor]:
    """What one run of an attack finds: its candidates if it has several, else its result."""
    several = getattr(method, "candidates", None)
    if several is None:
        return [run_attack(method, target, x, y, randomness)]
    return [_held(method, found) for found in several(target, x, y, randomness)]


def _held(method: Attack, x_adv: Tensor) -> Tensor:
    """Raise AtopError unless images are inside [0, 1]."""
    if not (x_adv.min() >= 0 and x_adv.max() <= 1):
        raise AtopError(f"{type(method).__name__}: made pictures that are not inside [0, 1]")
    return x_adv.detach()


def make_adversarial(preset: str, victim: Cell, attack: str, *, device: torch.device) -> Path:
    """Attack a cell on the preset's test images; store them as float32 with an account.

    Images are on the device a batch at a time, and all of them in a file only. A run that was
    killed goes on after the last batch that it saved. SIGTERM lets it end its batch and save it;
    the process then ends with exit code 143.
    """
    watch = Stopwatch(device)
    siege = Siege(preset, victim, attack, device)
    n = config.examples(
        attack, preset, victim.dataset, "classifier" if victim.undefended else "defense"
    )
    split = assemble.evaluation_set(preset, victim.dataset, n)
    x = Inputs(split, config.pixels(siege.row, preset, victim), device)
    start, before = _start(preset, victim, siege.row, x)
    labels, indices = split.labels.to(device), split.index.to(device)
    left = _left(siege, start, labels, indices)
    out = paths.adversarial(preset, victim, attack)
    account: dict[str, Any] = {
        "victim": victim.as_dict(),
        "attack": attack,
        "budget": siege.row,
        "fingerprint": fingerprints.attack(preset, victim, attack),
        "after_sha256": before,
        "attacked": int(left.sum()),
    }
    hashes = checkpoint_hashes(preset, victim)
    data = read_about(paths.dataset(victim.dataset))["test"]["sha256"]
    of_run = [account, siege.batch, siege.compute.as_dict(), hashes, data, split.index.tolist()]
    state = Images(paths.state(out), config.digest(of_run), shape=(n, 3, x.size, x.size))
    account["resumed"] = state.resumed  # the costs below are then those since
    if not state.done:
        for where in torch.split((~left).nonzero()[:, 0], siege.batch):
            state.images[where] = start[where].cpu()
    batches = [part for part in torch.split(left.nonzero()[:, 0], siege.batch) if len(part)]
    with (
        state.running(),
        progress(f"attack {attack} on {victim.id}", account["attacked"], unit="img") as bar,
    ):
        for done, where in enumerate(batches[state.done :], state.done + 1):
            here = where.to(device)
            found = siege.run(x[where], start[where].to(device), labels[here], indices[here])
            state.images[where] = found.cpu()
            bar.update(len(where))
            if state.due():
                state.save(done=done)
    if batches:
        first, here = batches[0], batches[0].to(device)
        account["flags"] = siege.flags(x[first], labels[here], indices[here])
    account["classified"] = siege.seen.image_count + siege.whole.image_count
    provenance = watch.provenance(checkpoints=hashes, compute=siege.compute.as_dict())
    write_json(out.with_suffix(".json"), {**account, "provenance": provenance})
    with writing(out) as temporary:
        save_file({"images": state.images, "index": split.index}, temporary)
    state.remove()
    return out


def _start(
    preset: str, victim: Cell, row: dict[str, Any], clean: Inputs
) -> tuple[Inputs | Tensor, str | None]:
    """The images that an attack goes on from, and the hash of their file."""
    after = row.get("after", "clean")
    if config.attack(after, preset)["method"] == "clean":
        return clean, None
    path = paths.adversarial(preset, victim, after)
    images = load_adversarial(path, clean.split)
    if images.shape[1:] != (3, clean.size, clean.size):
        raise AtopError(f"{path}: made at another size; `pixels` of the two attacks must agree")
    return images, sha256(path)


def _left(siege: Siege, start: Inputs | Tensor, y: Tensor, index: Tensor) -> Tensor:
    """(N,) on the CPU: who is attacked, as the siege says it of a batch."""
    if "after" not in siege.row:
        return torch.ones(len(y), dtype=torch.bool)
    parts = torch.split(torch.arange(len(y)), siege.batch)
    of = [siege.left(start[part].to(y.device), y[part], index[part]) for part in parts]
    return torch.cat(of).cpu()


def load_adversarial(path: Path, split: Split) -> Tensor:
    """The stored pictures of a split's examples, (N, 3, H, W).

    Raises:
        AtopError: not an adversarial set, or made from other examples; it may hold more of them.
    """
    tensors = checkpoints.read(path)
    if tensors.keys() != {"images", "index"}:
        raise AtopError(f"{path}: not an adversarial set; delete it and run again")
    if not torch.equal(tensors["index"][: len(split)], split.index.cpu()):
        raise AtopError(f"{path}: made from other test pictures; delete it and run again")
    return tensors["images"][: len(split)]  # type: ignore[no-any-return]


def checkpoint_hashes(preset: str, cell: Cell) -> dict[str, str]:
    """SHA-256 of the weights of a cell's networks."""
    of_f = paths.classifier_of(preset, cell)
    files = {f"classifier{number or ''}": path for number, path in enumerate(of_f)}
    if cell.purifies:
        files["purifier"] = paths.purifier(preset, cell)
    return {name: sha256(path) for name, path in files.items()}
