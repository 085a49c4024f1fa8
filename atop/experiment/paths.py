"""Paths of all files of a run, for rules and for commands.

Patterns are for rules, whose wildcards have the names in braces.
"""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from atop.core.errors import AtopError
from atop.core.files import HOME, layers, provided
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.inputs import CheckpointSpec
from atop.experiment.settings.presets import WeightsFile

RESULTS = HOME / "results"
CHECKPOINTS = RESULTS / "checkpoints"
BENCHMARKS = RESULTS / "benchmarks"

DATASET = "results/data/{dataset}/about.json"
CLASSIFIER = "results/{preset}/classifiers/{dataset}-{classifier}.safetensors"
PRETRAINED = "results/{preset}/pretrained/{dataset}-{purifier}.safetensors"
PURIFIER = "results/{preset}/purifiers/{cell}.safetensors"
TUNED = "results/{preset}/tuned/{cell}.safetensors"
ADVERSARIAL = "results/{preset}/adversarial/{cell}/{attack}.safetensors"
RECORD = "results/{preset}/records/{cell}/{suite}-{target}.json"
IMAGES = "results/{preset}/images/{cell}/{attack}.npz"
DEVICE = "results/{preset}/device"


def dataset(name: str) -> Path:
    """Metadata of a decoded and verified dataset, beside its images."""
    return HOME / DATASET.format(dataset=name)


def trained(preset: Preset, dataset: str, name: str) -> Path:
    """Weights of a classifier that is trained here."""
    return HOME / CLASSIFIER.format(preset=preset, dataset=dataset, classifier=name)


def pretrained(preset: Preset, dataset: str, purifier: str) -> Path:
    """Weights of a purifier that is pretrained here."""
    return HOME / PRETRAINED.format(preset=preset, dataset=dataset, purifier=purifier)


def purifier(preset: Preset, cell: Cell) -> Path:
    """Weights of a cell's purifier after its fine-tuning."""
    return HOME / PURIFIER.format(preset=preset, cell=cell.weights.id)


def tuned(preset: Preset, cell: Cell) -> Path:
    """Weights of a cell's f that was fine-tuned on t(x)."""
    return HOME / TUNED.format(preset=preset, cell=cell.weights.id)


def adversarial(preset: Preset, target: Cell, attack: str) -> Path:
    """An adversarial set, made on a target."""
    return HOME / ADVERSARIAL.format(preset=preset, cell=target.id, attack=attack)


def record(preset: Preset, cell: Cell, suite: str, target: str) -> Path:
    """The outcomes of a cell under a suite of attacks."""
    return HOME / RECORD.format(preset=preset, cell=cell.id, suite=suite, target=target)


def images(preset: Preset, cell: Cell, attack: str) -> Path:
    """A few test images, clean and adversarial, at each step through a cell's defence."""
    return HOME / IMAGES.format(preset=preset, cell=cell.id, attack=attack)


def classifier(preset: Preset, dataset: str, name: str) -> list[Path]:
    """A classifier's weights: a file of the preset's, public ones, or those trained here.

    Of an external classifier: the files that make it.
    """
    if external := config.classifier(name).files:
        return [resolve(file) for file in external]
    if own := own_weights(preset, dataset, name):
        return [resolve(own.file)]
    if preset.settings.trains(name):
        return [trained(preset, dataset, name)]
    public = config.public_weights(dataset, name)
    files = [CHECKPOINTS / file if "/" in file else checkpoint(file) for file in public]
    return files or [trained(preset, dataset, name)]


def own_weights(preset: Preset, dataset: str, name: str) -> WeightsFile | None:
    """The weights that a preset names for a classifier, unless it trains it."""
    chosen = preset.settings.classifiers.get(name)
    return None if chosen is None or chosen.train else chosen.checkpoints.get(dataset)


def classifier_of(preset: Preset, cell: Cell) -> list[Path]:
    """The weights of a cell's f: fine-tuned on t(x), or those of the bare classifier."""
    if cell.finetune == "classifier":
        return [tuned(preset, cell)]
    return classifier(preset, cell.dataset, cell.classifier)


def initial(preset: Preset, cell: Cell) -> Path:
    """The weights of a cell's purifier before the L_org stage."""
    if own := preset.purifier(cell.purifier).checkpoints.get(cell.init):
        return resolve(own.file)
    if cell.init == "scratch":
        return pretrained(preset, cell.dataset, cell.purifier)
    return checkpoint(f"{cell.purifier}-{cell.init}")


def checkpoint(name: str) -> Path:
    """A file of public weights, by its row of checkpoints.yaml."""
    return checkpoint_of(config.checkpoint(name))


def checkpoint_of(row: CheckpointSpec) -> Path:
    """The file of a row of checkpoints.yaml; AtopError for a folder whose content is unknown."""
    if row.content:
        raise AtopError(
            f"{config.folder()}/checkpoints.yaml: nobody knows the files of the folder "
            f"{row.google_drive_folder} ({row.about}), so none is fetched or loaded; open "
            f"https://drive.google.com/drive/folders/{row.google_drive_folder} in a browser, and "
            "write a row with `member` for a file that you know"
        )
    return resolve(f"package:{row.package}") if row.package else CHECKPOINTS / str(row.file)


def archive_of(row: CheckpointSpec) -> Path | None:
    """The .zip or .tar that holds a row's file; None if the file is fetched by itself."""
    if not row.member or row.google_drive_folder:
        return None
    name = row.google_drive or urlsplit(str(row.url)).path.rpartition("/")[2]
    return CHECKPOINTS / "archives" / name  # kept for the other files in it


def resolve(file: str) -> Path:
    """A path of the config; "package:NAME/..." is a file of an installed package."""
    if not file.startswith("package:"):
        return provided(Path(file))
    package, _, inside = file.removeprefix("package:").partition("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise AtopError(f"{file}: the package {package} is not installed; pip install {package}")
    return Path(spec.origin).parent / inside


def benchmark_files(pattern: str) -> list[Path]:
    """Files of results/benchmarks/: the suite's, and the user's in place of those."""
    files = (path for folder in layers(BENCHMARKS) for path in folder.glob(pattern))
    return list({path.name: path for path in files}.values())


def preset_of(folder: str) -> str:
    """The preset of a folder below tables/, such as "smoke/"; tables/ itself is `paper`."""
    return folder.rstrip("/") or "paper"


def tables_of(preset: str) -> Path:
    """The folder of a preset's rendered tables."""
    return HOME / "tables" / ("" if preset == "paper" else preset)


def state(result: Path) -> Path:
    """The state of an unfinished run, outside of all declared outputs."""
    return RESULTS / "state" / result.relative_to(RESULTS).with_suffix(".pt")
