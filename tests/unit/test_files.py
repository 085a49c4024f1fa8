"""Files are whole or not there; checkpoints that are not what they should be are named."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.files import digest_of, read_json, sha256, write_json, writing
from atop.method.registry import build


def network() -> nn.Module:
    made: nn.Module = build("classifiers", "resnet_small", classes=10)
    return made


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    path = tmp_path / "deep" / "network.safetensors"
    checkpoints.save(path, network(), {"seed": 1})
    return path


def test_a_file_appears_only_when_its_block_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with writing(path) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_block_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    for before in ([], ["old"]):
        for text in before:
            path.write_text(text)
        with pytest.raises(error):
            _write_half(path, error)
        assert [one.read_text() for one in tmp_path.iterdir()] == before


def test_a_reader_never_sees_a_file_change(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with path.open() as reader:
        with writing(path) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def _write_half(path: Path, error: type[BaseException]) -> None:
    with writing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_two_writers_do_not_share_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(tmp_path / "file") as mine:
        mine.write_text("mine")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with writing(tmp_path / "file") as theirs:
            theirs.write_text("theirs")
    assert (tmp_path / "file").read_text() == "mine"


def test_hashes(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"abc")
    assert sha256(a) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    b.write_bytes(b"abc")
    one = digest_of([a], relative_to=tmp_path)
    assert one == digest_of([a], relative_to=tmp_path)
    assert one != digest_of([b], relative_to=tmp_path)  # names count
    a.write_bytes(b"abd")
    assert one != digest_of([a], relative_to=tmp_path)  # and contents


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"b": [1, None], "a": 0.1})
    assert read_json(path) == {"b": [1, None], "a": 0.1}
    assert list(read_json(path)) == ["b", "a"]
    with pytest.raises(AtopError, match=r"nothing\.json: no such file"):
        read_json(tmp_path / "nothing.json")
    path.write_text(path.read_text()[:-4])
    with pytest.raises(AtopError, match=r"file\.json: not readable as JSON"):
        read_json(path)
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert len(list(path.parent.iterdir())) == 1


def test_weights_come_back_as_they_were(saved: Path) -> None:
    torch.manual_seed(1)
    expected = network().state_dict()
    other = network()
    checkpoints.load(other, saved)
    assert all(torch.equal(expected[name], value) for name, value in other.state_dict().items())
    assert read_json(saved.with_suffix(".json")) == {"seed": 1}


def test_weights_that_torch_saved_come_back_too(tmp_path: Path) -> None:
    first, second = network(), network()
    for zipped in (True, False):
        path = tmp_path / "network.pth"
        torch.save(first.state_dict(), path, _use_new_zipfile_serialization=zipped)
        checkpoints.load(second, path)
        weights = [one.state_dict()["linear.weight"] for one in (first, second)]
        assert torch.equal(*weights)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("part", [0.0, 0.0001, 0.001, 0.01, 0.1, 0.5, 0.999])
def test_a_truncated_checkpoint_is_named(saved: Path, kind: str, part: float) -> None:
    path = saved
    if kind != "safetensors":
        path = saved.with_suffix(".pth")
        torch.save(network().state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(AtopError, match=rf"{path}: not a complete checkpoint \(.*delete it"):
        checkpoints.load(network(), path)


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors"])
def test_a_page_about_a_quota_is_not_a_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<!DOCTYPE html><html>Google Drive - Quota exceeded</html>")
    with pytest.raises(AtopError, match=f"{name}: a web page, perhaps about a quota"):
        checkpoints.read(tmp_path / name)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(AtopError, match=r"evil.pth: refused, since it holds a posix.mkdir"):
        checkpoints.read(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    for name in ("a.safetensors", "a.pth"):
        with pytest.raises(AtopError, match=f"{name}: no such checkpoint"):
            checkpoints.load(network(), tmp_path / name)


def test_weights_of_another_network_are_named(saved: Path) -> None:
    other: nn.Module = build("classifiers", "resnet_small", classes=7)
    with pytest.raises(AtopError, match=rf"{saved}: weights of another network: .*linear"):
        checkpoints.load(other, saved)
    for content in ([1, 2], {"G": network().state_dict()}):
        torch.save(content, saved.with_suffix(".pth"))
        with pytest.raises(AtopError, match=r"network\.pth: weights of another network"):
            checkpoints.load(network(), saved.with_suffix(".pth"))


def test_a_wrong_sha256_is_named(saved: Path) -> None:
    checkpoints.verify(saved, sha256(saved))
    checkpoints.verify(saved, None)
    with pytest.raises(AtopError, match=rf"{saved}: SHA-256 is {sha256(saved)[:12]}.*says 0{{12}}"):
        checkpoints.verify(saved, "0" * 64)
