"""Weights within an archive, and weights that the user has already."""

import io
import random
import socket
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from breaking import Complain
from serving import DIGEST, FETCH, FILE, PAGE, ROW, WEIGHTS, AddRow, Fetch, Host, left, saved

from atop.__main__ import main
from atop.experiment import paths

Change = Callable[[str, dict[str, Any]], None]


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"cifar/{name}", content)
    return buffer.getvalue()


def tarred(how: str = "", **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{how}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"top/cifar/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = paths.CHECKPOINTS / "archives" / "file.pth"


@pytest.mark.parametrize("kind", [zipped, tarred, partial(tarred, "gz")])
def test_a_member_of_an_archive(
    host: Host,
    row: AddRow,
    change: Change,
    fetched: Fetch,
    kind: Callable[..., bytes],
) -> None:
    other = saved({"other": torch.zeros(2)})
    host.content = kind(one=other, two=WEIGHTS, **{"not-two": other})
    row(url=host.url, member="two")
    change("checkpoints", {"next": {**ROW, "file": "next", "url": host.url, "member": "cifar/one"}})
    fetched()
    assert left() == [str(ARCHIVE), str(FILE)]
    (lock,) = (paths.RESULTS / "state").rglob("*.lock")
    assert lock.name == "archives--file.pth.lock"  # rows of one archive wait for each other
    assert main(["checkpoint", "--name", "next", "--offline"]) == 0
    assert (paths.CHECKPOINTS / "next").read_bytes() == other
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ("cifar/three", "no files in the archive are called cifar/three; there are cifar/one, ci"),
        ("far/three", "there are cifar/one, cifar/sub/four, cifar/two; correct `member` in check"),
        ("four", "2 files in the archive are called four; "),
    ],
)
def test_a_member_that_is_not_in_it(
    host: Host, row: AddRow, complains: Fetch, member: str, told: str
) -> None:
    """The archive may be large, so it stays; the message says what it holds."""
    others = {"far/four": WEIGHTS} if member == "four" else {}
    host.content = zipped(two=WEIGHTS, one=WEIGHTS, **{"sub/four": WEIGHTS}, **others)
    row(url=host.url, member=member)
    line = complains(keeps=(str(ARCHIVE),))
    assert told in line
    assert ("four" in line) == (member != "cifar/three")
    assert len(host.asked) == 1


def test_a_folder_is_no_member(host: Host, row: AddRow, complains: Fetch) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        inside = tarfile.TarInfo("cifar/two")
        inside.type = tarfile.DIRTYPE
        archive.addfile(inside)
    host.content = buffer.getvalue()
    row(url=host.url, member="cifar/two")
    line = complains(keeps=(str(ARCHIVE),))
    assert "no files in the archive are called cifar/two; there are none" in line


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        *product(["cut", "flipped"], [zipped, partial(tarred, "gz"), partial(tarred, "xz")]),
        ("cut", tarred),
        ("garbled", zipped),
        ("nothing", zipped),
    ],
)
def test_a_broken_archive(
    host: Host, row: AddRow, complains: Fetch, how: str, kind: Callable[..., bytes]
) -> None:
    whole = kind(one=random.Random(0).randbytes(100_000), two=WEIGHTS)  # noise: so it is read on
    near_end, data = len(whole) - 2000, whole.find(b"cifar/two") + len("cifar/two")
    flipped = bytes([whole[near_end] ^ 255])
    host.content = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:near_end] + flipped + whole[near_end + 1 :],
        "garbled": whole[:data] + b"\xff" * 9 + whole[data + 9 :],
        "nothing": b"nothing",
    }[how]
    row(url=host.url, member="cifar/two")
    assert "not a complete .zip or .tar" in complains()
    assert len(host.asked) == 2


# The user's folder, and no network.


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket at all."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr(socket, "socket", never)
    monkeypatch.setattr(socket, "create_connection", never)
    monkeypatch.setattr(socket, "getaddrinfo", never)


@pytest.mark.parametrize("where", ["some.pth", "a/b/some.pth", "a/theirs.pt", "sub/theirs2.pt"])
@pytest.mark.parametrize("offline", [(), ("--offline",)])
def test_a_file_that_the_user_has(
    row: AddRow,
    fetched: Fetch,
    tmp_path: Path,
    unplugged: None,
    where: str,
    offline: tuple[str, ...],
) -> None:
    row(url="http://127.0.0.1:9/x", also=["theirs.pt", "sub/theirs2.pt"])
    mine = tmp_path / "mine" / where
    mine.parent.mkdir(parents=True)
    mine.write_bytes(WEIGHTS)
    fetched("--folder", str(tmp_path / "mine"), *offline)
    assert mine.exists()


@pytest.mark.parametrize("where", ["a/b/c/some.pth", "theirs2.pt", "other.pth"])
def test_a_file_that_the_user_lacks(
    row: AddRow, complains: Fetch, tmp_path: Path, unplugged: None, where: str
) -> None:
    row(url="http://127.0.0.1:9/x", also=["sub/theirs2.pt"])
    mine = tmp_path / "mine" / where
    mine.parent.mkdir(parents=True)
    mine.write_bytes(WEIGHTS)
    line = complains("--folder", str(tmp_path / "mine"), "--offline")
    assert f"(offline, and {tmp_path / 'mine'} lacks some.pth or sub/theirs2.pt)" in line


def test_the_first_of_its_names_is_preferred(row: AddRow, fetched: Fetch, tmp_path: Path) -> None:
    row(url="http://127.0.0.1:9/x", also=["theirs.pt"])
    (tmp_path / "theirs.pt").write_bytes(saved({"other": torch.zeros(1)}))
    (tmp_path / "some.pth").mkdir()  # no file
    (tmp_path / "some.pth" / "some.pth").write_bytes(WEIGHTS)
    fetched("--folder", str(tmp_path))


@pytest.mark.usefixtures("unplugged", "workdir")
def test_a_model_of_robustbench_without_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "cifar10" / "Linf" / "Carmon2019Unlabeled.pt"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(WEIGHTS)
    file = "robustbench/cifar10/Linf/Carmon2019Unlabeled.pt"
    assert main(["checkpoint", "--file", file, "--folder", str(tmp_path), "--offline"]) == 0
    assert (paths.CHECKPOINTS / file).read_bytes() == WEIGHTS
    assert "SHA-256" in capsys.readouterr().out


def test_a_file_that_the_user_lacks_is_downloaded(
    host: Host, fetched: Fetch, tmp_path: Path
) -> None:
    fetched("--folder", str(tmp_path))
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PAGE, "a web page, not weights"),
        (WEIGHTS[:3000], "not a complete checkpoint"),
        (saved({"other": torch.zeros(1)}), "SHA-256 is "),
    ],
)
def test_a_file_of_the_user_that_is_something_else(
    host: Host, row: AddRow, complains: Fetch, content: bytes, told: str
) -> None:
    row(url=host.url, sha256=DIGEST if "SHA" in told else None)
    Path("some.pth").write_bytes(content)
    assert f"some.pth: {told}" in complains("--folder", ".")
    assert host.asked == []


def test_a_folder_that_is_not_there(host: Host, complains: Fetch) -> None:
    assert "nowhere: no such folder" in complains("--folder", "nowhere")


def test_an_archive_that_the_user_has(
    row: AddRow,
    fetched: Fetch,
    tmp_path: Path,
    unplugged: None,
) -> None:
    row(url="http://127.0.0.1:9/all.zip?x=1", member="two")
    (tmp_path / "all.zip").write_bytes(zipped(two=WEIGHTS))
    fetched("--folder", str(tmp_path))
    assert left() == [str(FILE)]


@pytest.mark.parametrize("content", [PAGE, WEIGHTS[:3000]])
def test_what_lies_there_already_is_looked_at(
    host: Host, complain: Complain, content: bytes
) -> None:
    FILE.parent.mkdir(parents=True)
    FILE.write_bytes(content)
    line = complain(*FETCH)
    assert f"{FILE}: " in line
    assert "delete it and run again" in line
    assert host.asked == []
