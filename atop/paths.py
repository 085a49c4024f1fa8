"""Where every file of a run lies; the rules and the verbs both ask here."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from atop.cells import Cell
from atop.errors import AtopError

RESULTS = Path("results")


def dataset(name: str) -> Path:
    """A decoded and verified dataset."""
    return RESULTS / "data" / f"{name}.npz"


def public(purifier: str, init: str) -> Path:
    """Public weights as they were downloaded."""
    return RESULTS / "weights" / f"{purifier}-{init}.pth"


def classifier(preset: dict[str, Any], name: str, dataset: str, classifier: str) -> Path:
    """A classifier's weights: the preset's checkpoint if it names one, else those trained here."""
    given = preset["classifiers"].get(classifier, {}).get("checkpoint")
    if given:
        return resolve(given["file"])
    return RESULTS / name / "classifiers" / f"{dataset}-{classifier}.safetensors"


def initial(preset: dict[str, Any], name: str, cell: Cell) -> Path:
    """The weights that a purifier has before the L_org stage."""
    given = preset["purifiers"].get(cell.purifier, {}).get("checkpoints", {}).get(cell.init)
    if given:
        return resolve(given["file"])
    if cell.init == "scratch":
        return RESULTS / name / "pretrained" / f"{cell.dataset}-{cell.purifier}.safetensors"
    return public(cell.purifier, cell.init)


def resolve(file: str) -> Path:
    """A path of the config; "package:NAME/..." is a file of an installed package."""
    if not file.startswith("package:"):
        return Path(file)
    package, _, inside = file.removeprefix("package:").partition("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise AtopError(f"{file}: the package {package} is not installed; pip install {package}")
    return Path(spec.origin).parent / inside


def purifier(name: str, cell: Cell) -> Path:
    """A cell's purifier after its fine-tuning."""
    return RESULTS / name / "purifiers" / f"{cell.weights.id}.safetensors"


def adversarial(name: str, victim: Cell, attack: str) -> Path:
    """An adversarial set, made on the cell `victim`."""
    return RESULTS / name / "adversarial" / victim.id / f"{attack}.safetensors"


def record(name: str, cell: Cell, suite: str, target: str) -> Path:
    """The outcomes of a cell under a suite of attacks."""
    return RESULTS / name / "records" / cell.id / f"{suite}-{target}.json"


def gate(name: str) -> Path:
    """The answer to whether a preset's device is there."""
    return RESULTS / name / "device"


def preset_of(where: str) -> str:
    """The preset of a table's folder: tables/ itself holds those of `paper`."""
    return where.rstrip("/") or "paper"


def place(name: str) -> Path:
    """Where a preset's tables are rendered."""
    return Path("tables") if name == "paper" else Path("tables") / name


def state(result: Path) -> Path:
    """Where an unfinished training run keeps its state: beside no declared output."""
    return RESULTS / "state" / result.relative_to(RESULTS).with_suffix(".pt")
