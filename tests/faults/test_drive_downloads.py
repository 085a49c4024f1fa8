"""Downloads from Google Drive, behind gdown, that go wrong."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import gdown
import pytest
import requests
from gdown.exceptions import FileURLRetrievalError
from serving import FETCH, FILE, PAGE, ROW, WEIGHTS, AddRow, Fetch

from atop.__main__ import main
from atop.experiment import paths


@pytest.fixture
def drive(row: AddRow, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Google Drive: `says` holds what each call does, bytes to send or an error to raise."""
    row(google_drive="ID")
    state = SimpleNamespace(says=[WEIGHTS], asked=[], parts=[])

    def one(*, id: str, output: str, resume: bool, **_: object) -> str | None:
        kept = [path for path in Path(output).parent.iterdir() if path.name.startswith("whole")]
        state.asked.append(id)
        state.parts.append(kept[0].read_bytes() if kept and resume else b"")
        say = state.says.pop(0) if len(state.says) > 1 else state.says[0]
        if isinstance(say, Exception):
            raise say
        if isinstance(say, tuple):  # as gdown names what is under way
            Path(f"{output}abc.tmp").write_bytes(say[0])
            raise requests.ConnectionError("gone")
        if say is not None:
            Path(output).write_bytes(say)
            for path in kept:
                path.unlink()
        return output if say is not None else None

    monkeypatch.setattr(gdown, "download", one)
    return state


def test_drive(drive: SimpleNamespace, fetched: Fetch) -> None:
    fetched()
    assert drive.asked == ["ID"]


def test_rows_of_one_file_are_one_download(
    drive: SimpleNamespace, change: Callable[..., None], fetched: Fetch
) -> None:
    change("checkpoints", {"next": {**ROW, "file": "next.pth", "google_drive": "ID"}})
    fetched()
    assert main(["checkpoint", "--name", "next"]) == 0
    assert (paths.CHECKPOINTS / "next.pth").read_bytes() == WEIGHTS
    assert drive.asked == ["ID"]
    (lock,) = (paths.RESULTS / "state").rglob("*.lock")
    assert lock.name == "folder--some.pth.lock"  # they wait for each other


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (FileURLRetrievalError("Failed:\n\nmany lines"), "web page, perhaps about its quota"),
        (PAGE, "web page, perhaps about its quota"),
        (b"", "not a complete checkpoint"),
        (WEIGHTS[:2000], "not a complete checkpoint"),
        (None, "it sent nothing"),
        (requests.ConnectionError("no\nroute"), "(no connection: no)"),
        (KeyError("Content-Type"), "('Content-Type');"),
    ],
)
def test_drive_that_gives_no_file(
    drive: SimpleNamespace, complains: Fetch, says: object, told: str
) -> None:
    drive.says = [says]
    line = complains()
    assert told in line
    assert "some: not to be had from drive.google.com" in line
    assert "download https://drive.google.com/file/d/ID in a browser" in line


def test_drive_goes_on_where_it_was(drive: SimpleNamespace, fetched: Fetch) -> None:
    drive.says = [(WEIGHTS[:100],)]
    assert main([*FETCH]) == 2
    drive.says = [WEIGHTS]
    fetched()
    assert drive.parts == [b"", WEIGHTS[:100]]


@pytest.mark.parametrize("left_over", [["whole"], ["wholea", "wholeb"]])
def test_drive_starts_over_when_it_cannot_tell_where_it_was(
    drive: SimpleNamespace, fetched: Fetch, left_over: list[str]
) -> None:
    place = paths.RESULTS / "state" / "downloads" / "folder--some.pth"
    place.mkdir(parents=True)
    for name in left_over:
        (place / name).write_bytes(b"old")
    fetched()
    assert drive.parts == [b""]


def test_a_file_of_a_drive_folder(
    drive: SimpleNamespace,
    row: AddRow,
    complains: Fetch,
    fetched: Fetch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row(google_drive_folder="FOLDER", member="weights.pt")
    listed = [SimpleNamespace(id=f"ID{k}", path=path) for k, path in enumerate(["a", "b/more.pt"])]

    def contents(*, id: str, skip_download: bool, **_: object) -> list[SimpleNamespace]:
        assert (id, skip_download) == ("FOLDER", True)
        return listed

    monkeypatch.setattr(gdown, "download_folder", contents)
    line = complains()
    assert "(no files in the folder are called weights.pt; it holds a, b/more.pt);" in line
    assert "download https://drive.google.com/drive/folders/FOLDER in a browser" in line
    assert f"put weights.pt of it at {FILE}" in line
    listed.append(SimpleNamespace(id="ID2", path="b/weights.pt"))
    fetched()
    assert drive.asked == ["ID2"]
