"""A dataset is fetched from where it is, and believed as far as its hashes say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import synthetic_data as synthetic

from atop.core.errors import AtopError
from atop.core.files import write_json
from atop.data import cache, imagenette
from atop.data.source import SPLITS, Source
from atop.experiment import config, dataset_files, paths, presets
from atop.pipeline import assemble
from atop.pipeline.datasets import doubt, fetch

Change = Callable[[str, dict[str, Any]], None]
NOTHING = {"train": None, "test": None}
KEYS = {"sha256": "sha256", "images": "pictures"}
"""Keys of hashes: in datasets.yaml, in about.json."""


@pytest.fixture
def arrays() -> synthetic.Arrays:
    return synthetic.cifar()


@pytest.fixture
def known(change: Change, arrays: synthetic.Arrays, workdir: Path) -> Callable[..., None]:
    """Have datasets.yaml know some hashes of the synthetic CIFAR-10, and nothing else."""

    def know(*kinds: str) -> None:
        facts = cache.fill(workdir, synthetic.found(arrays), pixels=32)
        sums = {kind: {split: facts[split][KEYS[kind]] for split in SPLITS} for kind in kinds}
        rows = {"sha256": NOTHING, "images": NOTHING, "test_size": 4, **sums}
        change("datasets", {"cifar10": rows})

    return know


def about(name: str = "cifar10") -> dict[str, Any]:
    return cache.read_about(paths.dataset(name))


@pytest.mark.parametrize(
    ("kinds", "mixed", "expected"),
    [
        (("sha256",), False, ("pixels", "published")),
        (("sha256", "images"), False, ("pixels", "published")),
        (("images",), False, ("pixels", "found")),
        (("sha256", "images"), True, ("pixels", "found")),
        (("images",), True, ("pixels", "found")),
        ((), True, (None, "found")),
    ],
)
def test_what_is_known_of_images(
    tmp_path: Path,
    arrays: synthetic.Arrays,
    known: Callable[..., None],
    kinds: tuple[str, ...],
    mixed: bool,
    expected: tuple[str | None, str],
) -> None:
    known(*kinds)
    given = synthetic.shuffled(arrays)[0] if mixed else arrays
    synthetic.write_pngs(tmp_path / "mirror", given)
    path = fetch("cifar10", folder=tmp_path, offline=True)
    assert path == paths.dataset("cifar10")
    assert (about()["verified"], about()["positions"]) == expected
    found = assemble.dataset("cifar10")
    assert np.array_equal(found.train.images, given["train_images"])
    assert found.test.labels.tolist() == given["test_labels"].tolist()
    size, count = (50000, 512) if expected[1] == "published" else (20, 2)
    out = set(np.random.RandomState(0).permutation(size)[-count:]) & set(range(20))
    assert found.validation.index.tolist() == sorted(out)
    assert found.train.index.tolist() == sorted(set(range(20)) - out)
    said = doubt(path)
    if kinds:
        assert said is None
    else:
        assert said is not None
        facts = [about()[split][kind] for split in SPLITS for kind in KEYS.values()]
        assert all(word in said for word in (*facts, "20 train", "4 test", "not verified"))


@pytest.mark.parametrize("kinds", [("sha256",), ("images",), ("sha256", "images")])
@pytest.mark.parametrize("wrong", ["train_images", "test_images", "test_labels"])
def test_other_pixels_or_labels_are_refused(
    tmp_path: Path,
    arrays: synthetic.Arrays,
    known: Callable[..., None],
    kinds: tuple[str, ...],
    wrong: str,
) -> None:
    known(*kinds)
    arrays[wrong].flat[-1] = (arrays[wrong].flat[-1] + 1) % 10
    synthetic.write_pngs(tmp_path / "mirror", arrays)
    expected = config.dataset("cifar10").given()[kinds[0]][wrong.partition("_")[0]]
    told = f"mirror: the {wrong[: wrong.index('_')]} images have SHA-256 .*{expected[:12]}"
    with pytest.raises(AtopError, match=told):
        fetch("cifar10", folder=tmp_path / "mirror")
    assert not list(paths.RESULTS.rglob("*.*"))


def test_a_shuffled_set_without_an_order_free_hash_is_refused(
    tmp_path: Path, arrays: synthetic.Arrays, known: Callable[..., None]
) -> None:
    known("sha256")
    synthetic.write_pngs(tmp_path / "mirror", synthetic.shuffled(arrays)[0])
    with pytest.raises(AtopError, match="not cifar10 as published"):
        fetch("cifar10", folder=tmp_path)


def test_a_failed_fetch_leaves_the_earlier_one_as_it_was(
    tmp_path: Path, arrays: synthetic.Arrays, known: Callable[..., None]
) -> None:
    known("images")
    synthetic.write_mosaics(tmp_path / "good" / "cifar10", arrays)
    fetch("cifar10", folder=tmp_path / "good")
    before = about()
    synthetic.write_mosaics(tmp_path / "bad" / "cifar10", arrays)
    last = tmp_path / "bad" / "cifar10" / "test-0.png"
    last.write_bytes(last.read_bytes()[:300])
    with pytest.raises(AtopError, match=f"{last}: not a readable image"):
        fetch("cifar10", folder=tmp_path / "bad")
    assert about() == before
    assert [path.name for path in (paths.RESULTS / "data").iterdir()] == ["cifar10"]


def test_results_of_another_machine_are_a_folder_of_files(
    tmp_path: Path, arrays: synthetic.Arrays, known: Callable[..., None]
) -> None:
    known()
    mixed, places = synthetic.shuffled(arrays)
    synthetic.write_mosaics(tmp_path / "cifar10", mixed, places=places)
    fetch("cifar10", folder=tmp_path)
    first = about()
    assert (first["positions"], first["verified"]) == ("published", None)
    assert first["test"]["index"] == places["test"]
    there = tmp_path / "there"
    paths.RESULTS.rename(there)
    fetch("cifar10", folder=there, offline=True)  # there/data/cifar10: two folders deep
    assert {**about(), "source": ""} == {**first, "source": ""}
    fetch("cifar10", folder=paths.RESULTS, offline=True)  # onto itself
    assert {**about(), "source": ""} == {**first, "source": ""}
    array = there / "data" / "cifar10" / "test.npy"
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    with pytest.raises(AtopError, match=r"test\.npy is not what about\.json says"):
        fetch("cifar10", folder=there)


def source(**hosts: Any) -> Source:
    return Source(title="CIFAR-10", page="a page", hosts=hosts)


def test_what_a_folder_lacks_is_asked_of_the_hosts_in_turn(
    tmp_path: Path,
    arrays: synthetic.Arrays,
    known: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def first(_: Path) -> Any:
        raise OSError("no route")

    def second(folder: Path) -> Any:
        assert folder.is_dir()
        assert not list(folder.iterdir())
        return synthetic.found(arrays, where="second", archive=True, published=True)

    known()
    monkeypatch.setattr(dataset_files, "source", lambda _: source(first=first, second=second))
    fetch("cifar10", folder=tmp_path)
    facts = [about()[key] for key in ("source", "verified", "positions")]
    assert facts == ["second", "archive", "published"]
    assert doubt(paths.dataset("cifar10")) is None
    monkeypatch.setattr(dataset_files, "source", lambda _: source(first=first, third=first))
    told = rf"could not be fetched \({tmp_path} .*; first: no route; third: no route\); get it from"
    with pytest.raises(AtopError, match=told):
        fetch("cifar10", folder=tmp_path)


def test_what_the_hash_of_the_archive_said_goes_along(
    tmp_path: Path, arrays: synthetic.Arrays, known: Callable[..., None]
) -> None:
    known()
    synthetic.write_pngs(tmp_path / "mirror", arrays)
    path = fetch("cifar10", folder=tmp_path)
    write_json(path, {**about(), "verified": "archive"})
    paths.RESULTS.rename(tmp_path / "there")
    fetch("cifar10", folder=tmp_path / "there")
    assert about()["verified"] == "archive"


def test_offline_asks_no_host_and_says_where_to_get_it(
    tmp_path: Path, known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    known()
    host = source(host=lambda _: pytest.fail("asked"))
    monkeypatch.setattr(dataset_files, "source", lambda _: host)
    with pytest.raises(
        AtopError, match=r"\(no folder was named\); get it from a page and .*files="
    ):
        fetch("cifar10", offline=True)
    with pytest.raises(AtopError, match=rf"{tmp_path} .*none of cifar10/about\.json"):
        fetch("cifar10", folder=tmp_path, offline=True)


def test_the_slice_is_here_offline(workdir: Path) -> None:
    fetch("cifar10_slice", offline=True)
    facts = about("cifar10_slice")
    assert (facts["verified"], facts["positions"]) == ("pixels", "published")


def test_found_images_are_chosen_by_where_they_were_found(
    tmp_path: Path, change: Change, workdir: Path
) -> None:
    """Part of ImageNette from a folder: taken as it is, and said to be."""
    tiny = synthetic.cifar(side=40)
    folder = tmp_path / "imagenette2"
    synthetic.write_classes(folder, tiny, imagenette.CLASSES, test="val", ending="JPEG")
    fetch("imagenette", folder=tmp_path, offline=True)
    facts = about("imagenette")
    assert (facts["verified"], facts["positions"]) == (None, "found")
    assert facts["test"]["shape"] == [14, 256, 256, 3]
    change("presets/smoke", {"evaluation": {"n": 12, "seed": 5}})
    chosen = assemble.evaluation_set(presets.get("smoke"), "imagenette")
    assert chosen.index.tolist() == np.random.RandomState(5).permutation(14)[:12].tolist()
    test = assemble.dataset("imagenette").test
    assert np.array_equal(chosen.images, test.images[chosen.index])
    with pytest.raises(AtopError, match=r"14 test images, .* takes 15; lower evaluation\.n"):
        assemble.evaluation_set(presets.get("smoke"), "imagenette", 15)


def test_published_places_are_looked_up(
    tmp_path: Path, arrays: synthetic.Arrays, known: Callable[..., None], change: Change
) -> None:
    known("images")
    mixed, places = synthetic.shuffled(arrays)
    synthetic.write_mosaics(tmp_path / "cifar10", mixed, places=places)
    fetch("cifar10", folder=tmp_path)
    change("presets/smoke", {"evaluation": {"n": 3, "seed": 5}})
    chosen = assemble.evaluation_set(presets.get("smoke"), "cifar10")
    order = np.random.RandomState(5).permutation(4)[:3]
    assert chosen.index.tolist() == order.tolist()
    assert np.array_equal(chosen.images, arrays["test_images"][order])
