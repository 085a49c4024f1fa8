"""Archives: what comes back from a machine that is lent without its disk."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atop.core.errors import AtopError
from atop.core.files import sha256, write_json
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages import stage
from atop.operations.cost import machines
from atop.operations.timed_run import archives, summary
from atop.operations.timed_run.queue import Queue

Files = dict[Path, bytes]
BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")


def write(sizes: dict[str, int]) -> Files:
    """Files of random bytes under results/."""
    made = {Path("results") / name: os.urandom(size) for name, size in sizes.items()}
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return made


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch, workdir: Path) -> Path:
    """Three archives of forty kilobytes; the folder for them."""
    monkeypatch.setattr(archives, "SIZE", 40960)
    monkeypatch.setattr(archives, "COUNT", 3)
    return workdir / "out"


def test_what_travels_is_the_same_at_the_other_end(tight: Path) -> None:
    name = f"smoke/{'long' * 40}/record.json"
    files = write({name: 100, "a.bin": 0, "b.bin": 511, "c.bin": 50_000, "d.bin": 20_480})
    assert archives.pack([[path] for path in files], tight) == []
    found = archives.written(tight)
    assert [path.name for path in found] == ["archive-0.tar", "archive-1.tar", "archive-2.tar"]
    assert all(path.stat().st_size <= 40960 for path in found)
    assert archives.unpack(tight) == ([], [])  # all of it is there
    for path in files:
        path.unlink()
    assert sorted(archives.unpack(tight).complete) == sorted(files)
    assert {path: path.read_bytes() for path in files} == files
    assert {path.stat().st_mtime for path in files} == {1_000_000_000}


def test_the_first_come_first_and_groups_are_not_torn_apart(tight: Path) -> None:
    files = write({"first": 1000, "weights": 70_000, "about": 30_000, "small": 9000})
    first, weights, about, small = files
    assert archives.pack([[first], [weights, about], [small]], tight) == [weights]
    assert len(archives.written(tight)) == 1
    told = list(summary.of_archives(archives.written(tight), [weights]))
    assert told[1] == "          no room for results/weights, 0.1 MiB"
    for path in files:
        path.unlink()
    assert sorted(archives.unpack(tight).complete) == [first, small]


def test_archives_fill_to_the_brim_and_not_beyond(tight: Path) -> None:
    for size in (28_671, 28_672, 28_673, 57_344, 57_345, 83_000):
        (path,) = write({"whole": size})
        left_behind = archives.pack([[path]], tight)
        assert all(one.stat().st_size <= 40960 for one in archives.written(tight)), size
        assert not left_behind


def test_older_archives_make_way(tight: Path) -> None:
    (path,) = write({"whole": 50_000})
    archives.pack([[path]], tight)
    assert len(archives.written(tight)) == 2
    (path,) = write({"other": 100})
    archives.pack([[path]], tight)
    assert [one.name for one in tight.iterdir()] == ["archive-0.tar"]


def test_what_is_there_stays_as_it_is(tight: Path) -> None:
    (path,) = write({"record": 100})
    archives.pack([[path]], tight)
    path.write_text("newer")
    assert archives.unpack(tight) == ([], [])
    assert path.read_text() == "newer"


def test_a_file_of_which_a_piece_is_missing_or_another_ones_does_not_come(tight: Path) -> None:
    (path,) = write({"whole": 50_000})
    archives.pack([[path]], tight)
    path.unlink()
    second = (tight / "archive-1.tar").read_bytes()
    (tight / "archive-1.tar").unlink()
    assert archives.unpack(tight) == ([], [path])
    (path,) = write({"whole": 50_000})  # other bytes of the same size
    archives.pack([[path]], tight)
    path.unlink()
    (tight / "archive-1.tar").write_bytes(second)
    assert set(archives.unpack(tight).incomplete) == {path}
    assert not path.exists()


@pytest.mark.parametrize("name", ["/etc/x", "results/../x", "atop/x.py", "results/a/../../x"])
def test_an_archive_writes_nowhere_but_into_results(tight: Path, name: str) -> None:
    tight.mkdir()
    with tarfile.open(tight / "archive-0.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(AtopError, match="does not belong into results/; delete it"):
        archives.unpack(tight)


def test_a_broken_archive_is_named(tight: Path) -> None:
    (path,) = write({"whole": 30_000})
    archives.pack([[path]], tight)
    path.unlink()
    archive = tight / "archive-0.tar"
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(AtopError, match=r"archive-0\.tar: not a complete archive .* copy it again"):
        archives.unpack(tight)
    assert not path.exists()


def test_a_folder_that_is_not_there_yet_holds_nothing(tight: Path) -> None:
    assert archives.unpack(tight) == ([], [])


def test_records_travel_first_and_sets_and_states_never(
    change: Callable[[str, dict[str, Any]], None], workdir: Path
) -> None:
    table = {"table": "table7", "rows": ["rt1-none", "rt2-none", "rt2-atop"]}
    change("queue", {"queue": [table]})
    cells = [Cell(
        dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
        transform=transform, finetune="none",
    ) for transform in ("rt1", "rt2")]  # fmt: skip
    rt1, rt2 = (paths.purifier(presets.get("smoke"), cell) for cell in cells)
    queue = Queue(presets.get("smoke"), machines.cpu(1), None)
    record = paths.record(presets.get("smoke"), cells[0], "table7", "classifier")
    told = [paths.RESULTS / "benchmarks" / "a.json", paths.RESULTS / "logs" / "timed-run" / "a.log"]
    page = paths.RESULTS / "benchmarks" / "README.md"  # of the checkout there, perhaps a newer one
    sets = paths.adversarial(presets.get("smoke"), BARE, "official")
    never = [sets, paths.state(rt1), paths.dataset("x"), page]
    write({str(path.relative_to("results")): 10 for path in (rt1, rt2, *told, *never)})
    for cell, path in zip(cells, (rt1, rt2), strict=True):
        start = sha256(paths.initial(presets.get("smoke"), cell))
        write_json(path.with_suffix(".json"), {"settings": {"start_sha256": start}})
    networks = stage.networks(presets.get("smoke"), cells[0])[1:]
    write_json(record, {"checkpoints": [sha256(path) for path in networks]})
    found = archives.finished(queue)
    assert found[0] == [record]
    assert sorted(found[1:3]) == sorted([path] for path in told)
    # Of the two, the second one is what AToP starts from, which is still to be made.
    assert found[3:] == [[rt2, rt2.with_suffix(".json")], [rt1, rt1.with_suffix(".json")]]
