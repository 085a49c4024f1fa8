"""Inventory of public weights: the files that are here, and whether they are correct."""

from atop.core.errors import AtopError
from atop.core.files import sha256
from atop.experiment import config, paths
from atop.experiment.settings.inputs import CheckpointSpec


def listing() -> str:
    """A line a row: name, size, whether it is here, what it is, licence."""
    lines = [("NAME", "SIZE", "HERE", "ABOUT", "LICENCE")]
    for name, row in config.checkpoints().items():
        lines.append((name, size(row), "yes" if _here(row) else "no", row.about, row.licence))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def verify() -> str:
    """Check that each file that is here opens and has the published SHA-256; a line for each.

    Raises:
        AtopError: some files are wrong; the message has the reasons.
    """
    from atop.pipeline.checkpoints import download

    lines, wrong = [], []
    for name, row in _all_here().items():
        path = paths.checkpoint_of(row)
        try:
            download.verify(path, row)
        except AtopError as error:
            wrong.append(str(error))
        else:
            digest = sha256(path)
            known = "as published" if row.sha256 else "opens, but nobody has published it"
            lines.append(f"{name}: SHA-256 {digest} ({known})")
    if wrong:
        count = len(lines) + len(wrong)
        raise AtopError(f"{len(wrong)} of {count} are bad: {' | '.join(wrong)}")
    return "\n".join(lines) or "no checkpoint is here"


def _all_here() -> dict[str, CheckpointSpec]:
    """Rows whose file is here, and files of RobustBench's other models."""
    rows = {name: row for name, row in config.checkpoints().items() if _here(row)}
    listed = {paths.checkpoint_of(row) for row in rows.values()}
    for path in sorted((paths.CHECKPOINTS / "robustbench").rglob("*.pt")):
        if path not in listed:
            file = str(path.relative_to(paths.CHECKPOINTS))
            rows[file] = CheckpointSpec.of_file(file)
    return rows


def _here(row: CheckpointSpec) -> bool:
    try:
        return paths.checkpoint_of(row).exists()
    except AtopError:  # its package is not installed, or nobody knows its files
        return False


def size(row: CheckpointSpec) -> str:
    """The size of a file, exact or approximate; "?" if unknown."""
    if row.bytes:
        return f"{row.bytes / 1e6:,.1f} MB"
    return f"~{row.estimate / 1e6:,.0f} MB" if row.estimate else "?"
