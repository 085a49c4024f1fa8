"""Adversarial sets: how they are made, chained, judged, resumed and stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from atop.core import checkpoints, resumable
from atop.core.errors import AtopError
from atop.core.execution import Segment
from atop.core.files import read_json, sha256
from atop.core.randomness import Randomness
from atop.data import embedded
from atop.data.dataset import Split
from atop.experiment import config, paths
from atop.experiment.cells import Cell
from atop.method.attack import Target
from atop.pipeline import assemble
from atop.pipeline.attacking import adversarial_sets
from atop.pipeline.attacking.adversarial_sets import Siege, Standing, make_adversarial
from atop.pipeline.datasets import fetch

BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
CPU = torch.device("cpu")
N = 16
PLACES = np.random.RandomState(0).choice(10000, 512, replace=False)[:N].tolist()
Change = Callable[[str, dict[str, Any]], None]
ROW = {"method": "pgd", "norm": "Linf", "eps": "8/255", "step_size": "2/255", "steps": 2}
ROW |= {"random_start": True, "eot": 1}
APGD = {"method": "autoattack", "attack": "apgd-ce", "version": "judged", "norm": "Linf"}
APGD |= {"eps": "8/255", "steps": 2, "eot": 1}


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    """The smoke preset with 16 pictures in batches of 8, its data, and a purifier."""
    change("presets/smoke", {"evaluation": {"n": N, "batch": 8}})
    fetch("cifar10_slice")
    network = assemble.purifier("smoke", "deepfill")
    checkpoints.load(network, embedded.FOLDER / "deepfill.safetensors")
    account = {"settings": {"stage": "finetune"}, "provenance": {}, "history": []}
    checkpoints.save(paths.purifier("smoke", CELL), network, account)
    return change


def test_an_adversarial_set_is_stored_as_it_was_made(small: Change) -> None:
    path = make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    stored = load_file(path)
    assert stored["images"].dtype == torch.float32
    assert stored["index"].tolist() == PLACES
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    attack, target = assemble.attack("smoke", "pgd-10"), assemble.defense("smoke", BARE)
    made = []
    for part in (split.take(slice(0, 8)), split.take(slice(8, N))):
        draw = Randomness(0, "attack:pgd-10", part.index)
        made.append(attack(target, part.inputs(32), part.labels, draw))
    assert torch.equal(stored["images"], torch.cat(made))
    levels = stored["images"] * 255
    assert ((levels - levels.round()).abs() > 0.01).float().mean() > 0.1  # bytes would change it
    account = read_json(path.with_suffix(".json"))
    assert account["victim"]["id"] == BARE.id
    assert account["budget"] == config.attack("pgd-10", "smoke")


def test_a_set_made_from_other_pictures_is_refused(small: Change) -> None:
    path = make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    other = Split(torch.zeros(N, 32, 32, 3), torch.zeros(N), torch.tensor(PLACES[::-1]))
    with pytest.raises(AtopError, match=f"{path}: made from other test pictures; delete it"):
        adversarial_sets.load_adversarial(path, other)
    with pytest.raises(AtopError, match="made from other test pictures"):
        adversarial_sets.load_adversarial(path, other.take(slice(0, 3)))


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_an_attack_that_leaves_the_range_is_an_error(pictures: Split, value: float) -> None:
    class Bad:
        def __call__(self, target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
            bad = x.clone()
            bad[3, 2, 1, 0] = value
            return bad

    x, draw = pictures.inputs(32), Randomness(0, "attack", pictures.index)
    with pytest.raises(AtopError, match=r"Bad: made pictures that are not inside \[0, 1\]"):
        adversarial_sets.run_attack(Bad(), lambda x, _: x, x, pictures.labels, draw)


def test_standing_counts_right_draws_first_and_margins_second() -> None:
    right, margin = torch.tensor([0.5, 0.5, 0.5, 0.25, 0.75]), torch.tensor([1.0, -1, 0, 9, -9])
    other = Standing(torch.full((5,), 0.5), torch.zeros(5))
    assert Standing(right, margin).below(other).tolist() == [False, True, False, True, False]


def test_the_judge_takes_draws_of_its_own(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**ROW, "judge": 3}}})
    siege = Siege("smoke", CELL, "mine", CPU)
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    x, y = split.inputs(32), split.labels
    found = siege.judge(x, y, split.index)
    defense = assemble.defense("smoke", CELL)
    logits = torch.stack(
        [defense(x, Randomness(0, "judge:mine", split.index, draw)) for draw in range(3)]
    )
    right = (logits.argmax(2) == y).float().mean(0)
    torch.testing.assert_close(found.right, right)
    assert ((right > 0) & (right < 1)).any()  # draws differ
    margins = torch.stack([_margins(one, y) for one in logits]).mean(0)
    torch.testing.assert_close(found.margin, margins, rtol=1e-4, atol=1e-4)


def test_an_attack_goes_on_from_what_another_one_left(small: Change) -> None:
    rows = {"first": ROW, "second": {**ROW, "steps": 5, "after": "first"}}
    small("attacks", {"attacks": rows})
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    first = load_file(make_adversarial("smoke", BARE, "first", device=CPU))["images"]
    path = make_adversarial("smoke", BARE, "second", device=CPU)
    second, account = load_file(path)["images"], read_json(path.with_suffix(".json"))
    defense = assemble.defense("smoke", BARE)
    left = defense(first).argmax(1) == split.labels
    assert 0 < left.sum() < N
    assert account["attacked"] == int(left.sum())
    assert account["after_sha256"] == sha256(paths.adversarial("smoke", BARE, "first"))
    assert torch.equal(second[~left], first[~left])
    moved = (second != first).flatten(1).any(1)
    assert moved.any()
    margins = [_margins(defense(images), split.labels) for images in (first, second)]
    assert (margins[1][moved] < margins[0][moved]).all()  # a candidate is kept if it is worse
    assert (margins[1] <= margins[0]).all()


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    true = logits.gather(1, labels[:, None])[:, 0]
    return true - logits.scatter(1, labels[:, None], -torch.inf).amax(1)


def test_a_chain_that_starts_from_clean_leaves_out_what_is_misclassified(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**ROW, "after": "clean"}}})
    path = make_adversarial("smoke", BARE, "mine", device=CPU)
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    right = assemble.defense("smoke", BARE)(split.inputs(32)).argmax(1) == split.labels
    assert 0 < right.sum() < N
    moved = (load_file(path)["images"] != split.inputs(32)).flatten(1).any(1)
    assert not moved[~right].any()
    assert read_json(path.with_suffix(".json"))["attacked"] == int(right.sum())


def test_no_lucky_draw_takes_an_example_out_of_an_attack(small: Change) -> None:
    rows = {
        "one": {**ROW, "after": "clean", "judge": 1},
        "many": {**ROW, "after": "clean", "judge": 30},
    }
    small("attacks", {"attacks": rows})
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    where = (split.inputs(32), split.labels, split.index)
    one, many = (int(Siege("smoke", CELL, name, CPU).left(*where).sum()) for name in rows)
    assert one < many


def test_restarts_keep_the_worst_of_several_starts(small: Change) -> None:
    rows = {"once": ROW, "thrice": {**ROW, "restarts": 3}}
    small("attacks", {"attacks": rows})
    once, thrice = (
        load_file(make_adversarial("smoke", BARE, name, device=CPU))["images"] for name in rows
    )
    split, defense = (
        assemble.evaluation_set("smoke", "cifar10_slice"),
        assemble.defense("smoke", BARE),
    )
    assert (
        _margins(defense(thrice), split.labels) <= _margins(defense(split.inputs(32)), split.labels)
    ).all()
    assert (
        _margins(defense(thrice), split.labels).mean()
        < _margins(defense(once), split.labels).mean()
    )


class Several:
    """An attack of three results, of which each example's worst is another one."""

    def __init__(self, found: list[Tensor]) -> None:
        self.found = found

    def candidates(self, target: Target, x: Tensor, y: Tensor, draw: Randomness) -> list[Tensor]:
        where = [PLACES.index(int(one)) for one in draw.index]
        if len(x) > 8:
            raise torch.OutOfMemoryError
        return [one[where] for one in self.found]

    def __call__(self, target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        raise AssertionError("asked for one result")


def test_of_several_candidates_each_example_keeps_the_worst(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    split, defense = (
        assemble.evaluation_set("smoke", "cifar10_slice"),
        assemble.defense("smoke", BARE),
    )
    x, y = split.inputs(32), split.labels
    runs = [Siege("smoke", BARE, "mine", CPU)._attempt(x, y, split.index, k)[0] for k in range(3)]
    monkeypatch.setattr(assemble, "attack", lambda *_: Several(runs))
    found = Siege("smoke", BARE, "mine", CPU).run(x, x, y, split.index)
    margins = torch.stack([_margins(defense(one), y) for one in [x, *runs]])
    right = (margins > 0).float()  # misclassified first, then by margin
    which = (right * 1e6 + margins).argmin(0)
    assert len(which.unique()) > 2
    torch.testing.assert_close(found, torch.stack([x, *runs])[which, torch.arange(N)])


@pytest.mark.parametrize(
    "sub",
    [
        {"attack": "apgd-ce"},
        {"attack": "apgd-t", "targets": 2},
        {"attack": "fab-t", "targets": 2, "eot": ...},
        {"attack": "square", "steps": ..., "queries": 6, "rescale": False},
    ],
    ids=lambda sub: sub["attack"],
)
def test_autoattack_attacks_everybody_whom_the_judge_leaves(
    small: Change, monkeypatch: pytest.MonkeyPatch, sub: dict[str, Any]
) -> None:
    row = {key: value for key, value in {**APGD, **sub}.items() if value is not ...}
    row |= {"after": "clean", "judge": 3}
    small("attacks", {"attacks": {"mine": row, "gated": {**row, "version": "official"}}})
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    x, y = split.inputs(32), split.labels
    left = Siege("smoke", CELL, "mine", CPU).left(x, y, split.index)
    untouched = {}
    for name in ("mine", "gated"):
        siege = Siege("smoke", CELL, name, CPU)
        where = left.nonzero()[:, 0]
        found = siege._attempt(x[where], y[where], split.index[where], 0)
        still = torch.stack([(one == x[where]).flatten(1).all(1) for one in found])
        untouched[name] = int(still.all(0).sum())
    assert untouched["mine"] == 0
    assert untouched["gated"] > 0


@pytest.mark.parametrize("after", [False, True])
def test_a_killed_attack_goes_on_after_the_batch_that_it_saved(
    small: Change, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", 0)
    small("attacks", {"attacks": {"mine": {**ROW, **({"after": "clean"} if after else {})}}})
    small("presets/smoke", {"evaluation": {"batch": 4}})
    whole = load_file(make_adversarial("smoke", BARE, "mine", device=CPU))["images"]
    out = paths.adversarial("smoke", BARE, "mine")
    out.unlink()
    state = paths.state(out)
    assert not state.exists()
    run, ran = Siege.run, []

    def dying(self: Siege, x: Tensor, start: Tensor, y: Tensor, index: Tensor) -> Tensor:
        ran.append(index.tolist())
        if len(ran) == 3:
            raise KeyboardInterrupt
        return run(self, x, start, y, index)

    monkeypatch.setattr(Siege, "run", dying)
    with pytest.raises(KeyboardInterrupt):
        make_adversarial("smoke", BARE, "mine", device=CPU)
    assert state.exists()
    assert not out.exists()
    again = load_file(make_adversarial("smoke", BARE, "mine", device=CPU))["images"]
    assert torch.equal(again, whole)
    assert ran[3] == ran[2]  # the first two were not attacked again
    assert read_json(out.with_suffix(".json"))["resumed"]
    assert not state.exists()


def test_a_run_without_its_images_begins_again(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    out = paths.adversarial("smoke", BARE, "mine")
    whole = load_file(make_adversarial("smoke", BARE, "mine", device=CPU))["images"]
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", 0)
    run = Siege.run

    def dying(self: Siege, x: Tensor, *of: Tensor) -> Tensor:
        if paths.state(out).exists():
            raise KeyboardInterrupt
        return run(self, x, *of)

    monkeypatch.setattr(Siege, "run", dying)
    with pytest.raises(KeyboardInterrupt):
        make_adversarial("smoke", BARE, "mine", device=CPU)
    monkeypatch.setattr(Siege, "run", run)
    paths.state(out).with_suffix(".images").unlink()
    assert torch.equal(
        load_file(make_adversarial("smoke", BARE, "mine", device=CPU))["images"], whole
    )
    assert not [one for one in paths.state(out).parent.iterdir() if one.is_file()]


@pytest.mark.parametrize("after", ["clean", "first"])
def test_an_attack_holds_no_more_images_than_a_batch(
    small: Change, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    small("attacks", {"attacks": {"first": ROW, "mine": {**ROW, "after": after}}})
    make_adversarial("smoke", BARE, "first", device=CPU)
    inputs, sizes = Split.inputs, []

    def counting(self: Split, size: int) -> Tensor:
        sizes.append(len(self))
        return inputs(self, size)

    monkeypatch.setattr(Split, "inputs", counting)
    make_adversarial("smoke", BARE, "mine", device=CPU)
    assert max(sizes) <= 8 < N


def test_a_state_of_other_settings_is_not_taken_up(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    state = paths.state(paths.adversarial("smoke", BARE, "mine"))
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", 0)
    saved: list[bytes] = []
    monkeypatch.setattr(Path, "unlink", _keeping(saved, Path.unlink))
    make_adversarial("smoke", BARE, "mine", device=CPU)
    state.write_bytes(saved[-1])
    small("attacks", {"attacks": {"mine": {"steps": 3}}})
    changed = load_file(make_adversarial("smoke", BARE, "mine", device=CPU))["images"]
    fresh = Siege("smoke", BARE, "mine", CPU)
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    x = split.inputs(32)
    torch.testing.assert_close(changed, fresh.run(x, x, split.labels, split.index))


def _keeping(saved: list[bytes], unlink: Callable[..., None]) -> Callable[..., None]:
    """Path.unlink that keeps what a state file held."""

    def keep(self: Path, missing_ok: bool = False) -> None:
        if self.suffix == ".pt" and self.exists():
            saved.append(self.read_bytes())
        unlink(self, missing_ok=missing_ok)

    return keep


def test_a_batch_that_does_not_fit_is_run_in_halves_with_the_same_result(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    x, y, index = split.inputs(32), split.labels, split.index
    siege = Siege("smoke", BARE, "mine", CPU)
    whole = siege.run(x, x, y, index)
    method, sizes = siege.method, []

    def small_memory(target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        sizes.append(len(x))
        if len(x) > 3:
            raise torch.OutOfMemoryError
        return method(target, x, y, draw)

    siege.method = small_memory
    torch.testing.assert_close(siege.run(x, x, y, index), whole, rtol=0, atol=1e-6)
    assert sizes[:4] == [16, 8, 4, 2]

    def no_memory(target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        raise torch.OutOfMemoryError

    siege.method = no_memory
    with pytest.raises(AtopError, match="mine: not even one picture fits into memory"):
        siege.run(x, x, y, index)


def test_a_picture_that_does_not_fit_is_tried_again_with_less_memory(small: Change) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    split = assemble.evaluation_set("smoke", "cifar10_slice").take(slice(0, 1))
    x, y, index = split.inputs(32), split.labels, split.index
    siege = Siege("smoke", CELL, "mine", CPU)
    whole, method = siege.run(x, x, y, index), siege.method
    segments = [one for one in siege.defense.modules() if isinstance(one, Segment)]
    assert not any(one.recompute for one in segments)

    def small_memory(target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        if not all(one.recompute for one in segments):
            raise torch.OutOfMemoryError
        return method(target, x, y, draw)

    siege.method = small_memory
    assert torch.equal(siege.run(x, x, y, index), whole)


def test_many_draws_make_batches_small_on_a_gpu(small: Change) -> None:
    cuda = torch.device("cuda")
    sizes = [adversarial_sets.at_once(64, eot, cuda) for eot in (1, 4, 20, 50, 1000)]
    assert sizes == [64, 64, 12, 5, 1]
    assert adversarial_sets.at_once(64, 20, CPU) == 64
    assert Siege("smoke", CELL, "strict-pgd", CPU).batch == 8


def test_what_an_attack_took_is_counted(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**ROW, "eot": 3}}})
    for cell, each in ((BARE, 2), (CELL, 2 * 3)):  # draws of the bare classifier do not differ
        path = make_adversarial("smoke", cell, "mine", device=CPU)
        assert read_json(path.with_suffix(".json"))["classified"] == N * each


def test_where_nothing_is_left_nothing_is_attacked(small: Change) -> None:
    rows = {"hard": {**ROW, "steps": 20}, "idle": {**ROW, "after": "hard"}}
    small("attacks", {"attacks": rows})
    hard = make_adversarial("smoke", BARE, "hard", device=CPU)
    idle = make_adversarial("smoke", BARE, "idle", device=CPU)
    assert read_json(idle.with_suffix(".json"))["attacked"] == 0
    assert torch.equal(load_file(idle)["images"], load_file(hard)["images"])


def test_the_librarys_objections_stand_in_the_account(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**APGD, "examples": 4}, "other": ROW}})
    accounts = {
        cell: read_json(make_adversarial("smoke", cell, "mine", device=CPU).with_suffix(".json"))
        for cell in (BARE, CELL)
    }
    assert accounts[BARE]["flags"] == []
    (flag,) = accounts[CELL]["flags"]
    assert "randomized defense" in flag
    other = make_adversarial("smoke", BARE, "other", device=CPU)
    assert read_json(other.with_suffix(".json"))["flags"] == []
