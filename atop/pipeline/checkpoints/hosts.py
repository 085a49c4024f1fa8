"""How the bytes of a file come from a web server or Google Drive, going on where they broke off."""

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
"""Seconds before the second attempt, where the server names no time; then twice as long each."""
LONGEST = 120.0
"""Seconds that a server may ask for before it counts as closed."""
CHUNK = 1 << 18
"""Bytes that are written at once, and lost at most when a server hangs up."""
_PASSING = {416, 429, 500, 502, 503, 504}
_PAGE = "it answers with a web page, perhaps about its quota"


class UnreachableError(AtopError):
    """The host did not deliver; what came so far is kept, and the next call goes on from there."""


def link(row: CheckpointSpec) -> str:
    """Where a browser finds what a row of checkpoints.yaml names."""
    if row.url:
        return row.url
    if row.google_drive:
        return f"https://drive.google.com/file/d/{row.google_drive}"
    return f"https://drive.google.com/drive/folders/{row.google_drive_folder}"


def download(row: CheckpointSpec, place: Path) -> Path:
    """Bring what a row names into the folder `place`, which belongs to this row alone.

    Returns:
        The whole file, unverified.

    Raises:
        AtopError: the host sends a web page.
        UnreachableError: it sends nothing, or not all.
    """
    place.mkdir(parents=True, exist_ok=True)
    if row.url:
        whole = _http(row.url, place)
    elif row.google_drive:
        whole = _drive(row.google_drive, place)
    else:
        whole = _drive(_drive_member(str(row.google_drive_folder), str(row.member), place), place)
    if is_web_page(whole):
        raise AtopError(_PAGE)
    return whole


def begun(place: Path) -> bool:
    """Whether a folder of `download` holds the beginning of a file."""
    return any(left.stat().st_size for left in place.iterdir() if left.name != "validator")


def _http(url: str, place: Path) -> Path:
    """Fetch `url`, asking again a few times while the server is busy or hangs up."""
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
    """Seconds until another attempt makes sense; UnreachableError if none does."""
    if error.response is None:
        if last:
            raise UnreachableError(f"{_told(error)}, {ATTEMPTS} times") from error
        return wait
    status = error.response.status_code
    said = f"HTTP {status} {error.response.reason}"
    if status not in _PASSING:
        raise UnreachableError(said) from error
    after = error.response.headers.get("Retry-After", "")
    wait = float(after) if after.isdecimal() else wait
    if wait > LONGEST:
        raise UnreachableError(f"{said}; it asks to wait {wait:.0f} s") from error
    if last:
        raise UnreachableError(f"{said}, {ATTEMPTS} times") from error
    return wait


def _http_once(url: str, place: Path) -> Path:
    """One attempt, which goes on after what an earlier one left if the file is still the same."""
    part, whole, mark = place / "part", place / "whole", place / "validator"
    with part.open("ab") as file, progress(url.rpartition("/")[2], 0, unit="B") as bar:

        def answered(response: requests.Response, **_: object) -> None:
            if response.status_code in (200, 416):  # no continuation of what lies here
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
            hooks={"response": answered},
        )(url, file, None)
    return part.replace(whole)


def _validator(response: requests.Response) -> str:
    """What tells this file from a later one at the same address; empty if nothing does."""
    tag = response.headers.get("ETag", "W/")
    weak = tag.startswith("W/")  # promises a like file, not the same bytes
    return response.headers.get("Last-Modified", "") if weak else tag


def _drive(file_id: str, place: Path) -> Path:
    """Fetch a file of Google Drive; gdown finds by its name what it left here before."""
    whole = place / "whole"
    left = list(place.glob("whole*"))
    if whole in left or len(left) > 1:  # a run was killed between two steps
        shutil.rmtree(place)
        place.mkdir()
    with _drive_errors():
        got = gdown.download(id=file_id, output=str(whole), quiet=False, resume=True)
    if got is None or not whole.is_file():
        raise UnreachableError("it sent nothing")
    return whole


def _drive_member(folder_id: str, member: str, place: Path) -> str:
    """The id of a file in a folder of Google Drive."""
    with _drive_errors():
        listed = gdown.download_folder(
            id=folder_id, output=str(place), quiet=True, skip_download=True
        )
    if listed is None:
        raise UnreachableError("it does not show the folder")
    found = [file.id for file in listed if f"/{file.path}".endswith(f"/{member}")]
    if len(found) != 1:
        held = ", ".join(file.path for file in listed) or "nothing"
        raise AtopError(
            f"{len(found) or 'no'} files in the folder are called {member}; it holds {held}"
        )
    return str(found[0])


@contextmanager
def _drive_errors() -> Iterator[None]:
    try:
        yield
    except FileURLRetrievalError as error:
        raise AtopError(_PAGE) from error
    except Exception as error:  # gdown lets through whatever a strange page makes its parser raise
        raise UnreachableError(_told(error)) from error


def _told(error: Exception) -> str:
    """In a line what went wrong first; libraries wrap it in the names of their own classes."""
    first: BaseException = error
    while first.__context__:
        first = first.__context__
    words = getattr(first, "strerror", None) or str(first)
    said = (words.strip().splitlines() or [type(first).__name__])[0]
    return f"no connection: {said}" if isinstance(error, requests.ConnectionError) else said
