"""Where every file of a run lies; the rules and the verbs both ask here."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.settings.presets import WeightsFile

RESULTS = Path("results")
CHECKPOINTS = RESULTS / "checkpoints"
BENCHMARKS = RESULTS / "benchmarks"


def dataset(name: str) -> Path:
    """What is known about a decoded and verified dataset, whose pictures lie beside it."""
    return RESULTS / "data" / name / "about.json"


def checkpoint(name: str) -> Path:
    """A file of public weights, by its row of checkpoints.yaml."""
    return checkpoint_of(config.checkpoint(name))


def checkpoint_of(row: Dict) -> Path:
    """Where the file of a row of checkpoints.yaml lies."""
    return resolve(f"package:{row['package']}") if "package" in row else CHECKPOINTS / row["file"]


def archive_of(row: Dict) -> Path | None:
    """Where the .zip or .tar is kept that holds a row's file; None if it is fetched by itself."""
    if "member" not in row or "google_drive_folder" in row:
        return None
    name = row.get("google_drive") or urlsplit(row["url"]).path.rpartition("/")[2]
    return CHECKPOINTS / "archives" / name  # for the other files in it


def classifier(preset: str, dataset: str, name: str) -> list[Path]:
    """A classifier's weights: a file of the preset's, public ones, or those trained here."""
    if own := own_weights(preset, dataset, name):
        return [resolve(own.file)]
    if config.preset(preset).trains(name):
        return [trained(preset, dataset, name)]
    public = config.public_weights(dataset, name)
    files = [CHECKPOINTS / one if "/" in one else checkpoint(one) for one in public]
    return files or [trained(preset, dataset, name)]


def own_weights(preset: str, dataset: str, name: str) -> WeightsFile | None:
    """The file, with its SHA-256, that a preset names for a classifier, unless it trains it."""
    chosen = config.preset(preset).classifiers.get(name)
    return None if chosen is None or chosen.train else chosen.checkpoints.get(dataset)


def trained(preset: str, dataset: str, name: str) -> Path:
    """The weights of a classifier that is trained here."""
    return RESULTS / preset / "classifiers" / f"{dataset}-{name}.safetensors"


def tuned(preset: str, cell: Cell) -> Path:
    """The weights of a cell's f that was fine-tuned on t(x)."""
    return RESULTS / preset / "tuned" / f"{cell.weights.id}.safetensors"


def classifier_of(preset: str, cell: Cell) -> list[Path]:
    """The weights of a cell's f: fine-tuned on t(x), or those of the bare classifier."""
    if cell.finetune == "classifier":
        return [tuned(preset, cell)]
    return classifier(preset, cell.dataset, cell.classifier)


def initial(preset: str, cell: Cell) -> Path:
    """The weights that a purifier has before the L_org stage."""
    given = config.purifier(cell.purifier, preset)["checkpoints"].get(cell.init)
    if given:
        return resolve(given["file"])
    if cell.init == "scratch":
        return pretrained(preset, cell)
    return checkpoint(f"{cell.purifier}-{cell.init}")


def pretrained(preset: str, cell: Cell) -> Path:
    """The weights of a purifier that is pretrained here."""
    return RESULTS / preset / "pretrained" / f"{cell.dataset}-{cell.purifier}.safetensors"


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


def pictures(preset: str, cell: Cell, attack: str) -> Path:
    """A few test pictures, clean and under an attack, on their way through a cell's defence."""
    return RESULTS / preset / "pictures" / cell.id / f"{attack}.npz"


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
