"""Downloads from a web server that go wrong: one line, and nothing half-written."""

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from serving import DIGEST, FETCH, FILE, WEIGHTS, AddRow, Fetch, Host, saved

from atop.__main__ import main
from atop.experiment import paths
from atop.pipeline.checkpoints import hosts


def test_a_file_comes_whole_and_its_hash_is_told(host: Host, fetched: Fetch) -> None:
    said = fetched()
    assert f"{FILE}: SHA-256 {hashlib.sha256(WEIGHTS).hexdigest()}" in said
    assert said.splitlines()[-1] == str(FILE)
    fetched()  # and stays
    assert host.asked == [None]


def test_a_known_hash_is_not_told(host: Host, row: AddRow, fetched: Fetch) -> None:
    row(url=host.url, sha256=hashlib.sha256(WEIGHTS).hexdigest(), bytes=len(WEIGHTS))
    assert "SHA-256" not in fetched()


def test_a_server_that_hangs_up_is_asked_for_the_rest(host: Host, fetched: Fetch) -> None:
    host.answers = ["half", "half", "whole"]
    fetched()
    first, *rest = host.asked
    starts = [int(str(asked).strip("bytes=-")) for asked in rest]
    assert first is None
    assert len(WEIGHTS) // 2 - hosts.CHUNK < starts[0] <= len(WEIGHTS) // 2
    assert starts[0] < starts[1] < len(WEIGHTS)


def test_what_came_before_a_run_was_given_up_is_kept(
    host: Host, complains: Fetch, fetched: Fetch
) -> None:
    host.answers = ["half"]
    place = paths.RESULTS / "state" / "downloads" / "folder--some.pth"
    line = complains(keeps=(str(place / "part"), str(place / "validator")))
    assert f", {hosts.ATTEMPTS} times; the part that came is kept, run again to go on); " in line
    assert not FILE.exists()
    host.answers, host.asked = ["whole"], []
    fetched()
    assert len(host.asked) == 1
    assert host.asked[0] != "bytes=0-"


@pytest.mark.parametrize("why", ["another file", "no ranges", "no tag", "a weak tag"])
def test_a_file_that_cannot_be_continued_starts_over(host: Host, fetched: Fetch, why: str) -> None:
    """One half of each of two files would be neither."""
    old, host.content = host.content, b"x" * 4000
    if why in ("no tag", "a weak tag"):
        host.tag = "" if why == "no tag" else 'W/"one"'
    host.answers = ["half"]
    assert main([*FETCH]) == 2
    host.content, host.answers, host.asked = old, ["whole"], []
    if why == "another file":
        host.tag = '"two"'
    host.ranges = why != "no ranges"
    fetched()
    if "tag" in why:
        assert host.asked == [None]


def test_a_kept_part_that_is_longer_than_the_file_is_dropped(host: Host, fetched: Fetch) -> None:
    host.answers = ["half"]
    assert main([*FETCH]) == 2
    host.answers = [416, "whole"]
    fetched()
    assert host.asked[-1] is None


def test_a_kept_part_of_other_bytes_is_noticed(host: Host, row: AddRow, fetched: Fetch) -> None:
    row(url=host.url, sha256=hashlib.sha256(WEIGHTS).hexdigest())
    host.answers = ["half"]
    assert main([*FETCH]) == 2
    (part,) = paths.RESULTS.rglob("part")
    part.write_bytes(b"?" * part.stat().st_size)
    host.answers = ["whole"]
    fetched()


@pytest.mark.parametrize("busy", [429, 500, 503, (429, "0")])
def test_a_busy_server_is_asked_again(host: Host, fetched: Fetch, busy: object) -> None:
    host.answers = [busy, busy, "whole"]
    fetched()
    assert len(host.asked) == 3


def test_the_wait_that_a_server_asks_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(hosts.time, "sleep", slept.append)
    monkeypatch.setattr(hosts, "WAIT", 5.0)
    host.answers = [(429, "7"), 503, 503, "whole"]
    assert main([*FETCH]) == 0
    assert slept == [7.0, 14.0, 28.0]


@pytest.mark.parametrize(
    ("answer", "told", "requests"),
    [
        (429, "HTTP 429 Too Many Requests, 4 times", 4),
        ((503, "86400"), "HTTP 503 Service Unavailable; it asks to wait 86400 s", 1),
        (404, "HTTP 404 Not Found", 1),
        ("page", "it answers with a web page, perhaps about its quota", 1),
        ("disguised", "it answers with a web page, perhaps about its quota", 1),
    ],
)
def test_a_server_that_gives_no_file(
    host: Host,
    complains: Fetch,
    monkeypatch: pytest.MonkeyPatch,
    answer: object,
    told: str,
    requests: int,
) -> None:
    monkeypatch.setattr(hosts.time, "sleep", lambda _: None)  # not a day, whatever happens
    host.answers = [answer]
    line = complains()
    assert f"some: not to be had from 127.0.0.1:{host.url.split(':')[2].split('/')[0]}" in line
    assert f"({told}); download {host.url} in a browser and put it at {FILE}" in line
    assert ", or as some.pth into the folder of --config files=FOLDER" in line
    assert len(host.asked) == requests


def test_no_server(host: Host, row: AddRow, complains: Fetch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        row(url=f"http://127.0.0.1:{closed.getsockname()[1]}/x", otherwise="do something else")
    line = complains()
    assert "(no connection: Connection refused, 4 times);" in line
    assert line.endswith(", or do something else")


def test_another_file(host: Host, row: AddRow, complains: Fetch) -> None:
    row(url=host.url, sha256=DIGEST)
    digest = hashlib.sha256(WEIGHTS).hexdigest()[:12]
    assert f"(SHA-256 is {digest}..., the config says 000000000000...);" in complains()
    assert len(host.asked) == 1


@pytest.mark.parametrize("what", ["size", "content"])
def test_a_file_that_ends_early_is_fetched_once_more(
    host: Host,
    row: AddRow,
    complains: Fetch,
    fetched: Fetch,
    what: str,
) -> None:
    """The server believes that it is whole, as where its own copy broke."""
    if what == "size":
        row(url=host.url, bytes=len(WEIGHTS))
    host.content = WEIGHTS[:3000]
    told = {"size": f"3000 bytes, the config says {len(WEIGHTS)}", "content": "not a complete"}
    line = complains()
    assert told[what] in line
    assert "miniz" not in line  # nor the rest of torch's page
    assert len(host.asked) == 2
    host.content = WEIGHTS
    fetched()


class Trap:
    """What must not run when a file is opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("sprung",)


def test_a_file_that_would_run_code_is_refused(host: Host, complains: Fetch) -> None:
    host.content = saved({"weights": torch.zeros(3), "trap": Trap()})
    line = complains()
    assert "refused, since it holds a posix.mkdir" in line
    assert "can run code" in line
    assert not Path("sprung").exists()
    assert len(host.asked) == 1
