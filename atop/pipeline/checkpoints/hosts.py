"""Downloads from web servers and Google Drive; an interrupted download continues."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gdown
import requests
from gdown.exceptions import FileURLRetrievalError
from pooch import HTTPDownloader

from atop.core.checkpoints import is_web_page
from atop.core.errors import AtopError
from atop.core.progress import progress
from atop.experiment.settings.inputs import CheckpointSpec

ATTEMPTS = 4
WAIT = 5.0
"""Seconds before the second attempt, unless the server names a time; doubled for each attempt."""
LONGEST = 120.0
"""Most seconds that a server may ask for."""
CHUNK = 1 << 18
"""Bytes that are written at once; at most these are lost if a connection breaks."""
_PASSING = {416, 429, 500, 502, 503, 504}
_PAGE = "it answers with a web page, perhaps about its quota"


class UnreachableError(AtopError):
    """The host failed; the part that came is kept, and the next call continues it."""


def link(row: CheckpointSpec) -> str:
    """The address of a row of checkpoints.yaml, for a browser."""
    if row.url:
        return row.url
    if row.google_drive:
        return f"https://drive.google.com/file/d/{row.google_drive}"
    return f"https://drive.google.com/drive/folders/{row.google_drive_folder}"


def download(row: CheckpointSpec, place: Path) -> Path:
    """Download the file of a row into the folder `place`, which is for this row alone.

    Returns:
        The path of the complete file, unverified.

    Raises:
        AtopError: the host sends a web page.
        UnreachableError: it sends nothing, or only a part.
    """
    place.mkdir(parents=True, exist_ok=True)
    if row.url:
        file = _http(row.url, place)
    elif row.google_drive:
        file = _drive(row.google_drive, place)
    else:
        file = _drive(_drive_member(str(row.google_drive_folder), str(row.member), place), place)
    if is_web_page(file):
        raise AtopError(_PAGE)
    return file


def begun(place: Path) -> bool:
    """Whether a folder of `download` has the first part of a file."""
    return any(left.stat().st_size for left in place.iterdir() if left.name != "validator")


def _http(url: str, place: Path) -> Path:
    """Fetch `url`, with a few more attempts if the server is busy or the connection breaks."""
    wait = WAIT
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _http_once(url, place)
        except requests.RequestException as error:
            wait = _pause(error, wait, last=attempt == ATTEMPTS)
        time.sleep(wait)
        wait *= 2
    raise AssertionError("the last attempt returns or raises")


def _pause(error: requests.RequestException, wait: float, *, last: bool) -> float:
    """Seconds until the next attempt; UnreachableError if there is none."""
    if error.response is None:
        if last:
            raise UnreachableError(f"{_first_error(error)}, {ATTEMPTS} times") from error
        return wait
    status = error.response.status_code
    answer = f"HTTP {status} {error.response.reason}"
    if status not in _PASSING:
        raise UnreachableError(answer) from error
    after = error.response.headers.get("Retry-After", "")
    wait = float(after) if after.isdecimal() else wait
    if wait > LONGEST:
        raise UnreachableError(f"{answer}; it asks to wait {wait:.0f} s") from error
    if last:
        raise UnreachableError(f"{answer}, {ATTEMPTS} times") from error
    return wait


def _http_once(url: str, place: Path) -> Path:
    """One attempt, which continues an earlier part if the file is still the same."""
    part, complete, mark = place / "part", place / "whole", place / "validator"
    with part.open("ab") as file, progress(url.rpartition("/")[2], 0, unit="B") as bar:

        def check(response: requests.Response, **_: object) -> None:
            if response.status_code in (200, 416):  # it does not continue the part
                file.truncate(0)
            if response.status_code == 200:
                if response.headers.get("Content-Type", "").startswith("text/html"):
                    raise AtopError(_PAGE)
                mark.write_text(_validator(response))

        headers = {"Accept-Encoding": "identity"}
        if file.tell() and mark.exists() and (same := mark.read_text()):
            headers |= {"Range": f"bytes={file.tell()}-", "If-Range": same}
        HTTPDownloader(
            progressbar=bar,
            chunk_size=CHUNK,
            timeout=60,
            headers=headers,
            hooks={"response": check},
        )(url, file, None)
    return part.replace(complete)


def _validator(response: requests.Response) -> str:
    """A validator of this version of the file; empty if the server sends none."""
    tag = response.headers.get("ETag", "W/")
    weak = tag.startswith("W/")  # does not promise the same bytes
    return response.headers.get("Last-Modified", "") if weak else tag


def _drive(file_id: str, place: Path) -> Path:
    """Fetch a file of Google Drive; gdown continues an earlier part by its name."""
    path = place / "whole"
    left = list(place.glob("whole*"))
    if path in left or len(left) > 1:  # a run was killed between two steps
        shutil.rmtree(place)
        place.mkdir()
    with _drive_errors():
        got = gdown.download(id=file_id, output=str(path), quiet=False, resume=True)
    if got is None or not path.is_file():
        raise UnreachableError("it sent nothing")
    return path


def _drive_member(folder_id: str, member: str, place: Path) -> str:
    """The id of a file in a folder of Google Drive."""
    with _drive_errors():
        listed = gdown.download_folder(
            id=folder_id, output=str(place), quiet=True, skip_download=True
        )
    if listed is None:
        raise UnreachableError("it does not show the folder")
    ids = [file.id for file in listed if f"/{file.path}".endswith(f"/{member}")]
    if len(ids) != 1:
        held = ", ".join(file.path for file in listed) or "nothing"
        raise AtopError(
            f"{len(ids) or 'no'} files in the folder are called {member}; it holds {held}"
        )
    return str(ids[0])


@contextmanager
def _drive_errors() -> Iterator[None]:
    try:
        yield
    except FileURLRetrievalError as error:
        raise AtopError(_PAGE) from error
    except Exception as error:  # gdown passes on any error of its parser on an unexpected page
        raise UnreachableError(_first_error(error)) from error


def _first_error(error: Exception) -> str:
    """The first error in one line; libraries wrap it in errors of their own."""
    first: BaseException = error
    while first.__context__:
        first = first.__context__
    text = getattr(first, "strerror", None) or str(first)
    line = (text.strip().splitlines() or [type(first).__name__])[0]
    return f"no connection: {line}" if isinstance(error, requests.ConnectionError) else line
