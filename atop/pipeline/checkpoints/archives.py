"""Extraction of one file from a .zip or .tar."""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from gzip import BadGzipFile
from pathlib import Path

from atop.core.checkpoints import BrokenError
from atop.core.errors import AtopError

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
)


def extract(archive: Path, member: str, to: Path) -> None:
    """Write the file `member` of an archive to the path `to`.

    Args:
        archive: a .zip or .tar, compressed or not, whatever its name.
        member: path in it, perhaps below a folder that contains all.
        to: the only path that is written.

    Raises:
        AtopError: no such member; the message names its neighbours.
        BrokenError: not a whole archive.
    """
    try:
        # In this order: a plain .tar that ends with what torch saved passes for a .zip.
        unpack = _from_tar if tarfile.is_tarfile(archive) else _from_zip
        unpack(archive, member, to)
    except _BROKEN as error:
        raise BrokenError(
            f"{archive}: not a complete .zip or .tar ({error}); delete it and run again"
        ) from error


def _from_zip(archive: Path, member: str, to: Path) -> None:
    with (
        zipfile.ZipFile(archive) as opened,
        opened.open(_pick(archive, member, opened.namelist())) as content,
        to.open("wb") as file,
    ):
        shutil.copyfileobj(content, file)


def _from_tar(archive: Path, member: str, to: Path) -> None:
    with tarfile.open(archive) as opened:
        files = [info.name for info in opened.getmembers() if info.isfile()]
        while opened.fileobj.read(1 << 20):
            pass  # a checksum of all comes last
        content = opened.extractfile(_pick(archive, member, files))
        with to.open("wb") as file:
            shutil.copyfileobj(content, file)  # type: ignore[arg-type]  # None for folders


def _pick(archive: Path, member: str, held: list[str]) -> str:
    matches = [name for name in held if f"/{name}".endswith(f"/{member}")]
    if len(matches) == 1:
        return matches[0]
    near = [name for name in held if Path(name).parent.name == Path(member).parent.name]
    raise AtopError(
        f"{archive}: {len(matches) or 'no'} files in the archive are called {member}; there are "
        f"{', '.join(sorted(near or held)) or 'none'}; correct `member` in checkpoints.yaml"
    )
