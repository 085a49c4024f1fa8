"""Which files of checkpoints.yaml are here, and whether they are what they should be."""

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
    """A line a file that is here: whether its SHA-256 is the published one, and that it opens.

    Raises:
        AtopError: some are bad; what is wrong with each stands in the message.
    """
    from atop.pipeline.checkpoints import download

    said, bad = [], []
    for name, row in _all_here().items():
        path = paths.checkpoint_of(row)
        try:
            download.verify(path, row)
        except AtopError as error:
            bad.append(str(error))
        else:
            digest = sha256(path)
            known = "as published" if row.sha256 else "opens, but nobody has published it"
            said.append(f"{name}: SHA-256 {digest} ({known})")
    if bad:
        raise AtopError(f"{len(bad)} of {len(said) + len(bad)} are bad: {' | '.join(bad)}")
    return "\n".join(said) or "no checkpoint is here"


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
    except AtopError:  # its package is not installed
        return False


def size(row: CheckpointSpec) -> str:
    """How large a file is, exactly or about; "?" where nobody knows."""
    if row.bytes:
        return f"{row.bytes / 1e6:,.1f} MB"
    return f"~{row.estimate / 1e6:,.0f} MB" if row.estimate else "?"
