"""Fetching of datasets; their pixels are verified by hashes."""

import tempfile
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.data import cache
from atop.data.source import SPLITS, FoundDataset
from atop.experiment import config, dataset_files, paths
from atop.experiment.settings.inputs import DatasetSpec


def fetch(name: str, *, folder: Path | None = None, offline: bool = False) -> Path:
    """Fetch a dataset of datasets.yaml; return the path of its about.json.

    Args:
        name: of the dataset.
        folder: of the user's files; missing ones are downloaded.
        offline: download nothing.

    Raises:
        AtopError: it cannot be fetched, or its pixels are not the published ones.
    """
    row, about = config.dataset(name), paths.dataset(name)
    about.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=about.parent.parent, prefix=f".{name}.") as scratch:
        place = Path(scratch)
        dataset = _read(name, folder, offline, place)
        for split in SPLITS:
            labels = getattr(dataset, split).labels
            cache.check_labels(labels, classes=row.classes, where=dataset.where)
        facts = cache.fill(place, dataset, pixels=row.pixels)
        verified, positions = _verify(name, row, facts, dataset)
        content = {
            "name": name,
            "source": dataset.where,
            "verified": verified,
            "positions": positions,
            **facts,
        }
        cache.install(place, about, content)
    return about


def _read(name: str, folder: Path | None, offline: bool, scratch: Path) -> FoundDataset:
    """Read a dataset from the folder or else from the first host that answers."""
    source = dataset_files.source(name)
    known = ", ".join(layout.about for layout in dataset_files.layouts(name))
    problems = []
    if folder is not None:
        if not folder.is_dir():
            raise AtopError(f"{folder}: no such folder to look for {source.title} in")
        if place := dataset_files.find(dataset_files.layouts(name), folder):
            return place[0].read(place[1])
        problems.append(f"{folder} and {dataset_files.DEEP} folders deep in it: none of {known}")
    if offline and not source.local:
        problems = problems or ["no folder was named"]
        raise AtopError(
            f"{source.title} is not here and nothing may be downloaded ({problems[0]}); get it "
            f"from {source.page} and name the folder that holds it with --config files=FOLDER"
        )
    for host, read in source.hosts.items():
        try:
            return read(scratch)
        except Exception as error:  # any error of HTTP, tar or npm; the next host may work
            problems.append(f"{host}: {(str(error).splitlines() or [type(error).__name__])[0]}")
    raise AtopError(
        f"{source.title} could not be fetched ({'; '.join(problems)}); get it from {source.page} "
        "and name the folder that holds it with --config files=FOLDER"
    )


def _verify(
    name: str, row: DatasetSpec, facts: Dict, dataset: FoundDataset
) -> tuple[str | None, str]:
    """The kind of verification of the images, and of their positions: published or found.

    Raises:
        AtopError: no known hash of a split is that of its images.
    """
    matched = [_matched(name, row, facts[split], dataset, split) for split in SPLITS]
    verified = "pixels" if all(matched) else "archive" if dataset.archive else None
    published = dataset.published or all("sha256" in kinds for kinds in matched)
    return verified, "published" if published else "found"


def _matched(
    name: str, row: DatasetSpec, facts: Dict, dataset: FoundDataset, split: str
) -> list[str]:
    """The kinds of known hashes that a split matches; none if none is known."""
    hashes = {"sha256": getattr(row.sha256, split), "pictures": getattr(row.images, split)}
    known = [kind for kind, digest in hashes.items() if digest]
    matched = [kind for kind in known if facts[kind] == hashes[kind]]
    if known and not matched:
        raise AtopError(
            f"{dataset.where}: the {split} images have SHA-256 {facts[known[0]][:12]}..., not the "
            f"{hashes[known[0]][:12]}... of datasets.yaml; they are not {name} as published"
        )
    if dataset.claims and dataset.claims[split] != facts["sha256"]:
        raise AtopError(
            f"{dataset.where}: {split}.npy is not what {cache.ABOUT} says (SHA-256 "
            f"{facts['sha256'][:12]}..., not {dataset.claims[split][:12]}...); copy it again"
        )
    return matched


def doubt(about: Path) -> str | None:
    """A warning about images without a known hash; None if they were verified."""
    content = cache.read_about(about)
    if content["verified"]:
        return None
    parts = [
        f"{content[split]['shape'][0]} {split} images, SHA-256 {content[split]['sha256']}, in "
        f"any order {content[split]['pictures']}"
        for split in SPLITS
    ]
    return f"{content['name']}: not verified, since no hash of it is known: {'; '.join(parts)}"
