"""Where every file of a run lies; the rules and the verbs both ask here."""

from importlib.util import find_spec
from pathlib import Path

from atop import config
from atop.cells import Cell
from atop.errors import AtopError

RESULTS = Path("results")


def dataset(name: str) -> Path:
    """A decoded and verified dataset."""
    return RESULTS / "data" / f"{name}.npz"


def public(purifier: str, init: str) -> Path:
    """Public weights as they were downloaded."""
    return RESULTS / "weights" / f"{purifier}-{init}.pth"


def classifier(preset: str, dataset: str, name: str) -> Path:
    """A classifier's weights: the preset's checkpoint if it names one, else those trained here."""
    given = config.preset(preset)["classifiers"].get(name, {}).get("checkpoint")
    if given:
        return resolve(given["file"])
    return RESULTS / preset / "classifiers" / f"{dataset}-{name}.safetensors"


def classifier_of(preset: str, cell: Cell) -> Path:
    """The weights of a cell's f: fine-tuned on t(x), or those of the bare classifier."""
    if cell.finetune == "classifier":
        return RESULTS / preset / "tuned" / f"{cell.weights.id}.safetensors"
    return classifier(preset, cell.dataset, cell.classifier)


def initial(preset: str, cell: Cell) -> Path:
    """The weights that a purifier has before the L_org stage."""
    rows = config.preset(preset)["purifiers"]
    given = rows.get(cell.purifier, {}).get("checkpoints", {}).get(cell.init)
    if given:
        return resolve(given["file"])
    if cell.init == "scratch":
        return RESULTS / preset / "pretrained" / f"{cell.dataset}-{cell.purifier}.safetensors"
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


def purifier(preset: str, cell: Cell) -> Path:
    """A cell's purifier after its fine-tuning."""
    return RESULTS / preset / "purifiers" / f"{cell.weights.id}.safetensors"


def adversarial(preset: str, victim: Cell, attack: str) -> Path:
    """An adversarial set, made on the cell `victim`."""
    return RESULTS / preset / "adversarial" / victim.id / f"{attack}.safetensors"


def record(preset: str, cell: Cell, suite: str, target: str) -> Path:
    """The outcomes of a cell under a suite of attacks."""
    return RESULTS / preset / "records" / cell.id / f"{suite}-{target}.json"


def gate(preset: str) -> Path:
    """The answer to whether a preset's device is there."""
    return RESULTS / preset / "device"


def preset_of(where: str) -> str:
    """The preset of a table's folder: tables/ itself holds those of `paper`."""
    return where.rstrip("/") or "paper"


def place(preset: str) -> Path:
    """Where a preset's tables are rendered."""
    return Path("tables") if preset == "paper" else Path("tables") / preset


def state(result: Path) -> Path:
    """Where an unfinished training run keeps its state: beside no declared output.

    Raises:
        AtopError: the result is a checkpoint that a preset names, which training must not replace.
    """
    if RESULTS not in result.parents:
        raise AtopError(f"{result}: a preset names this file, so there is nothing to train here")
    return RESULTS / "state" / result.relative_to(RESULTS).with_suffix(".pt")
