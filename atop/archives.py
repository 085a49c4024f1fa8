"""One file out of a .zip or .tar, of which nothing else is unpacked."""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from atop.checkpoints import BrokenError
from atop.errors import AtopError


def extract(archive: Path, member: str, to: Path) -> None:
    """Write the file `member` of an archive to the path `to`.

    Args:
        archive: a .zip or .tar, compressed or not, whatever its name.
        member: path in it, perhaps below a folder that contains all.
        to: where it goes; only this is written.

    Raises:
        AtopError: no such member; the message names its neighbours.
        BrokenError: not a whole archive.
    """
    unpack = _from_zip if zipfile.is_zipfile(archive) else _from_tar
    try:
        unpack(archive, member, to)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise BrokenError(
            f"{archive}: not a whole .zip or .tar ({reason}); delete it and run again"
        ) from error


def _from_zip(archive: Path, member: str, to: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        files = [info.filename for info in opened.infolist() if not info.is_dir()]
        with opened.open(_pick(archive, member, files)) as content, to.open("wb") as file:
            shutil.copyfileobj(content, file)


def _from_tar(archive: Path, member: str, to: Path) -> None:
    with tarfile.open(archive) as opened:
        files = [info.name for info in opened.getmembers() if info.isfile()]
        content = opened.extractfile(_pick(archive, member, files))
        with to.open("wb") as file:
            shutil.copyfileobj(content, file)  # type: ignore[arg-type]  # None for folders


def _pick(archive: Path, member: str, held: list[str]) -> str:
    found = [name for name in held if f"/{name}".endswith(f"/{member}")]
    if len(found) == 1:
        return found[0]
    near = [name for name in held if Path(name).parent.name == Path(member).parent.name]
    raise AtopError(
        f"{archive}: {len(found)} files in it are called {member}, beside "
        f"{', '.join(sorted(near or held))}; correct `member` in checkpoints.yaml"
    )
