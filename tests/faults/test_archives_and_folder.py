"""Weights within an archive, and weights that the user has already."""

import io
import socket
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from breaking import Complain
from serving import DIGEST, FETCH, FILE, PAGE, ROW, WEIGHTS, AddRow, Fetch, Host, left, saved

from atop import paths
from atop.__main__ import main

Change = Callable[[str, dict[str, Any]], None]


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"cifar/{name}", content)
    return buffer.getvalue()


def tarred(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"top/cifar/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = paths.CHECKPOINTS / "archives" / "file.pth"


@pytest.mark.parametrize("kind", [zipped, tarred])
def test_a_member_of_an_archive(
    host: Host,
    row: AddRow,
    change: Change,
    fetched: Fetch,
    kind: Callable[..., bytes],
) -> None:
    other = saved({"other": torch.zeros(2)})
    host.content = kind(one=other, two=WEIGHTS)
    row(url=host.url, member="cifar/two")
    change("checkpoints", {"next": {**ROW, "file": "next", "url": host.url, "member": "cifar/one"}})
    fetched()
    assert left() == [str(ARCHIVE), str(FILE)]
    assert main(["checkpoint", "--name", "next", "--offline"]) == 0
    assert (paths.CHECKPOINTS / "next").read_bytes() == other
    assert len(host.asked) == 1


def test_a_member_that_is_not_in_it(host: Host, row: AddRow, complains: Fetch) -> None:
    """The archive may be large, so it stays; the message says what it holds."""
    host.content = zipped(one=WEIGHTS, two=WEIGHTS)
    row(url=host.url, member="cifar/three")
    line = complains(keeps=(str(ARCHIVE),))
    assert "0 files in it are called cifar/three, beside cifar/one, cifar/two" in line
    assert len(host.asked) == 1


@pytest.mark.parametrize("how", ["cut", "flipped", "not one"])
def test_a_broken_archive(host: Host, row: AddRow, complains: Fetch, how: str) -> None:
    whole = zipped(two=WEIGHTS)
    middle = len(whole) // 3
    host.content = {
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "not one": b"nothing",
    }[how]
    row(url=host.url, member="cifar/two")
    assert "not a whole .zip or .tar" in complains()
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
    assert f"(offline and {tmp_path / 'mine'} lacks some.pth or sub/theirs2.pt)" in line


def test_a_file_that_the_user_lacks_is_downloaded(
    host: Host, fetched: Fetch, tmp_path: Path
) -> None:
    fetched("--folder", str(tmp_path))
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PAGE, "a web page, not weights"),
        (WEIGHTS[:3000], "not a whole checkpoint"),
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
