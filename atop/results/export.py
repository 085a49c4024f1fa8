"""Records as one long frame: a line for each image, attack and draw."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from atop.core.errors import AtopError
from atop.core.files import read_json, writing
from atop.core.values import Dict
from atop.experiment.settings.attacks import parse_entry
from atop.results import records, released

CELL = (
    "dataset", "classifier", "purifier", "init", "transform", "finetune", "recipe", "seed",
    "ablation", "trained_with",
)  # fmt: skip
COLUMNS = (
    "preset", "cell", *CELL, "suite", "attack", "target", "attacked_cell", "norm", "eps", "draws",
    "draw", "index", "label", "predicted", "correct",
)  # fmt: skip
"""Columns of the frame; results/README.md says what each holds."""


def read(files: Iterable[Path]) -> list[Dict]:
    """Read records from files of one (.json) and of many (.jsonl).

    Raises:
        AtopError: a file that holds no record.
    """
    content: list[Dict] = []
    for path in files:
        if path.suffix == ".jsonl":
            content += released.read(path).values()
        else:
            content.append(records.check(read_json(path), where=str(path)))
    return content


def frame(content: Iterable[Dict]) -> pd.DataFrame:
    """Return COLUMNS, a line for each image, attack and draw of some records."""
    parts = [_of_evaluation(record, run) for record in content for run in record["evaluations"]]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def write(lines: pd.DataFrame, path: Path) -> None:
    """Write a frame as Parquet.

    Raises:
        AtopError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise AtopError("Parquet needs pyarrow; pip install 'atop-benchmark[export]'") from error
    with writing(path) as temporary:
        lines.to_parquet(temporary, index=False)


def _of_evaluation(record: Dict, run: Dict) -> pd.DataFrame:
    streams = {"evaluation": run["predictions"]}
    if selection := run.get("selection"):
        streams["selection"] = selection["predictions"]
    cell, adversarial = record["cell"], run["adversarial"] or {}
    lines = [
        (draws, draw, index, label, predicted)
        for draws, outcomes in streams.items()
        for draw, outcome in enumerate(outcomes)
        for index, label, predicted in zip(
            record["indices"], record["labels"], outcome, strict=True
        )
    ]
    _, name, target = parse_entry(run["attack"], record["target"])
    # Sets of older records do not say on what they were made; clean images have no set.
    attacked = adversarial.get("victim", {"id": record["victim"] if adversarial else ""})
    constants = {
        "preset": record["preset"],
        "cell": cell["id"],
        **{key: cell.get(key, "") for key in CELL},
        "suite": record["suite"],
        "attack": name,
        "target": target,
        "attacked_cell": attacked["id"],
        "norm": run["budget"].get("norm") or "",
        "eps": run["budget"].get("eps") or "",
    }
    content = pd.DataFrame(lines, columns=["draws", "draw", "index", "label", "predicted"])
    content = content.assign(**constants, correct=content["label"] == content["predicted"])
    return content[list(COLUMNS)]
