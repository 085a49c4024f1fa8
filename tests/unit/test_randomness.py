"""Philox against published answers; draws depend on what they are for, and on nothing else."""

from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import Tensor

from atop.core.randomness import Randomness, philox

INDEX = torch.tensor([3, 0, 2**32 - 1, 77, 12])

# Random123, examples/kat_vectors, philox4x32 10: counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def test_numbers_that_are_the_same_for_all() -> None:
    """Whatever the example, the draw and the user; a seed and another purpose have others."""
    base = made(constant=frozenset({"mask"}))
    drawn = base.uniform((7,), "mask")
    assert (drawn == drawn[:1]).all()
    others = (base.at(9), base.select(slice(1, 3)), base.draws(4, 3))
    streams = (replace(base, stream="attack"), replace(base, shared=frozenset({"mask"})))
    for other in (*others, *streams):
        assert torch.equal(other.uniform((7,), "mask")[0], drawn[0])
    assert not torch.equal(replace(base, seed=6).uniform((7,), "mask"), drawn)
    assert torch.equal(base.uniform((7,), "noise"), made().uniform((7,), "noise"))
    assert not torch.equal(drawn[0], made().uniform((7,), "mask")[0])


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def made(**changes: object) -> Randomness:
    return replace(Randomness(5, "evaluate", INDEX, 2), **changes)  # type: ignore[arg-type]


def many(count: int, **changes: object) -> Randomness:
    return made(index=torch.arange(count), **changes)


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_the_published_answers(counter: str, key: str, result: str) -> None:
    k0, k1 = words(key)
    c0, c1, c2, c3 = (torch.tensor(word) for word in words(counter))
    assert philox((c0, c1, c2, c3), (k0, k1)).tolist() == words(result)


def test_philox_treats_each_counter_of_a_batch_alone() -> None:
    columns = torch.tensor([words(counter) for counter, _, _ in KNOWN]).unbind(1)
    assert philox(tuple(columns), (0, 0))[0].tolist() == words(KNOWN[0][2])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["uniform", "normal", "permutation"])
def test_an_example_gets_the_same_in_any_batch_and_order(kind: str) -> None:
    def draw(index: Tensor) -> Tensor:
        randomness = made(index=index)
        if kind == "permutation":
            return randomness.permutation(64, "mask")
        drawn: Tensor = getattr(randomness, kind)((3, 5, 5), "mask")
        return drawn

    whole = draw(INDEX)
    order = torch.tensor([4, 1, 0, 3, 2])
    assert torch.equal(draw(INDEX[order]), whole[order])
    for i in range(len(INDEX)):
        assert torch.equal(draw(INDEX[i : i + 1]), whole[i : i + 1])
    assert torch.equal(draw(INDEX[:0]), whole[:0])


def test_the_global_generator_neither_matters_nor_moves() -> None:
    torch.manual_seed(0)
    first, state = made().normal((7,), "noise"), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(made().normal((7,), "noise"), first)
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)


def test_everything_that_names_a_draw_makes_another_one() -> None:
    drawn = [
        made().uniform((400,), "noise"),
        made().uniform((400,), "mask"),
        made(seed=6).uniform((400,), "noise"),
        made(stream="attack").uniform((400,), "noise"),
        made().at(3).uniform((400,), "noise"),
        made(index=INDEX - 1).uniform((400,), "noise"),
    ]
    assert torch.equal(drawn[0], made().uniform((400,), "noise"))
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert abs(correlation(one, other)) < 0.1


def test_at_and_select_name_the_same_draws() -> None:
    whole = made().at(9).uniform((4,), "noise")
    assert torch.equal(made().select(slice(1, 3)).at(9).uniform((4,), "noise"), whole[1:3])
    some = made().draws(8, 3)
    assert torch.equal(some.index, INDEX.repeat(3))
    for k in range(3):
        part = slice(k * len(INDEX), (k + 1) * len(INDEX))
        one = made(draw=8 + k).uniform((4,), "noise")
        assert torch.equal(some.uniform((4,), "noise")[part], one)
        assert torch.equal(some.select(part).uniform((4,), "noise"), one)
    assert made().draws(8, 1) == made(draw=8)
    assert torch.equal(made(draw=9).select(INDEX < 50).uniform((4,), "noise"), whole[INDEX < 50])


def test_a_shared_purpose_is_one_draw_for_the_batch_and_another_for_the_next_batch() -> None:
    shared = made(shared=frozenset({"mask"}))
    mask = shared.permutation(64, "mask")
    assert (mask == mask[0]).all()
    following = replace(shared, index=INDEX + 1)
    assert not torch.equal(following.permutation(64, "mask"), mask)
    assert not torch.equal(shared.at(3).permutation(64, "mask"), mask)
    some = shared.select(slice(2, 4)).select(slice(1, 2))
    assert torch.equal(some.permutation(64, "mask"), mask[:1])
    noise = shared.uniform((64,), "noise")
    assert torch.equal(noise, made().uniform((64,), "noise"))
    assert abs(correlation(noise[0], noise[1])) < 0.5


def test_uniform_is_uniform() -> None:
    drawn = many(500).uniform((2, 101), "noise")
    assert drawn.shape == (500, 2, 101)
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 0.01
    assert abs(correlation(drawn[:-1], drawn[1:])) < 0.02
    assert abs(correlation(drawn[..., :-1], drawn[..., 1:])) < 0.02


def test_uniform_never_reaches_0_or_1() -> None:
    class Extreme(Randomness):
        word = 0

        def _integers(self, count: int, purpose: str) -> Tensor:
            return torch.full((len(self.index), count), self.word)

    extreme = Extreme(0, "", INDEX)
    assert extreme.uniform((1,), "").min() > 0
    Extreme.word = 0xFFFFFFFF
    assert extreme.uniform((1,), "").max() < 1
    assert (extreme.uniform((1,), "") * 9).long().max() == 8  # as training.augment.shift uses it


def test_normal_is_standard_normal() -> None:
    drawn = many(500).normal((2, 101), "noise")
    assert drawn.shape == (500, 2, 101)
    values = drawn.flatten().double()
    assert stats.kstest(values.numpy(), "norm").pvalue > 0.01
    assert abs(float(values.mean())) < 0.01
    assert abs(float(values.var()) - 1) < 0.02
    assert abs(float(values.pow(4).mean()) - 3) < 0.1
    assert torch.isfinite(values).all()
    # Box-Muller makes pairs of one radius: the halves must not know each other
    first, second = drawn.flatten(1).chunk(2, dim=1)
    assert abs(correlation(first, second)) < 0.02
    assert abs(correlation(first.square(), second.square())) < 0.02


def test_permutations_are_permutations_and_all_are_equally_likely() -> None:
    drawn = many(4800).permutation(4, "mask")
    assert torch.equal(drawn.sort(dim=1).values, torch.arange(4).expand(4800, 4))
    _, counts = drawn.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts.numpy()).pvalue > 0.01


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1])
