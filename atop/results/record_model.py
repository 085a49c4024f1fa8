"""Model of a record file: results/<preset>/records/<cell>/<suite>-<target>.json.

atop/results/records.py checks the long lists of integers and the lengths that must agree.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from atop.experiment.settings.base import Count, NonNegative, Number, Positive, Settings

SomeList = Annotated[list[Any], Field(min_length=1)]
Draws = Annotated[list[list[Any]], Field(min_length=1)]


class RecordCell(Settings):
    """A cell as `Cell.as_dict` writes it; keys with a default may be missing."""

    id: str
    dataset: str
    classifier: str
    purifier: str
    init: str
    transform: str
    finetune: str
    recipe: str
    seed: int
    ablation: str = "none"
    trained_with: str = ""


class Budget(Settings):
    """The row of attacks.yaml as run; its other keys depend on the method."""

    model_config = {"extra": "allow"}

    method: str
    scaled: dict[str, Any] = {}


class Data(Settings):
    """The test images: hash of the ordered images, how it was verified, meaning of `indices`."""

    name: str
    sha256: str
    verified: Literal["pixels", "archive"] | None
    positions: Literal["published", "found"]


class Provenance(Settings):
    """Code, machine and inputs of a file. `data` replaced `data_sha256`, `compute` `tf32`."""

    nullable = ("commit",)

    code_sha: str
    commit: str | None = None
    config_digest: str = ""
    checkpoints: dict[str, str | None]
    data: Data | None = None
    data_sha256: str = ""
    versions: dict[str, str | None]
    device: str
    processor: str = ""
    threads: Positive = 1
    compute: dict[str, Any] = {}
    tf32: bool = False
    wall_s: NonNegative
    peak_memory_mb: Number | None
    created: str


class EvaluationProvenance(Provenance):
    """Provenance of an evaluation, which also names its settings and its data."""

    config_digest: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.data is None and not self.data_sha256:
            raise ValueError("'data' is a required property")
        return self


class AdversarialSet(Settings):
    """Metadata of an adversarial set; older records have its hash only.

    Attributes:
        attacked_cell: the cell that the attack differentiates.
        after_sha256: hash of the set that the attack starts from.
        attacked: number of images attacked.
        classified: number of images classified by the attack, times draws.
        resumed: whether a killed run was continued; its images and its time are not counted.
        flags: warnings of AutoAttack's own checks.
    """

    nullable = ("after_sha256",)

    sha256: str
    attacked_cell: Annotated[RecordCell | None, Field(alias="victim")] = None
    attack: str = ""
    budget: Budget | None = None
    fingerprint: str = ""
    after_sha256: str | None = None
    attacked: Count = 0
    classified: Count = 0
    resumed: bool = False
    flags: list[str] = []
    provenance: Provenance | None = None


class Selection(Settings):
    """Predictions under the selection draws, and the mean margin of each true logit."""

    predictions: Draws
    margins: SomeList


class Distance(Settings):
    """Distances of a set from clean images: largest Linf, mean and largest L2, unmoved share."""

    nullable = ("l2_max",)

    linf: Number | None
    l2: Number | None
    l2_max: Number | None = None
    unmoved: Number | None


class EvaluationModel(Settings):
    """Outcomes under one entry of a suite; `adversarial` is null for clean images."""

    attack: str
    budget: Budget
    predictions: Draws
    selection: Selection | None = None
    distance: Distance
    adversarial: AdversarialSet | None


class FindingModel(Settings):
    """A finding of the checks when the record was written; tables show those of current checks."""

    name: str
    text: str


class Network(Settings):
    """Name and size of a network."""

    name: str
    parameters: Count


class Networks(Settings):
    """Networks of the cell."""

    nullable = ("purifier",)

    classifier: Network
    purifier: Network | None = None


class TrainingProvenance(Settings):
    """Provenance that every training has."""

    model_config = {"extra": "allow"}

    code_sha: str
    created: str


class Training(Settings):
    """Settings and provenance of the fine-tuning."""

    settings: dict[str, Any]
    provenance: TrainingProvenance


class Record(Settings):
    """A record.

    Attributes:
        schema_: in schema 1, AutoAttack's budgets have no `version`; it was the official one.
        attacked_cell: id of the cell that attacks without a named target differentiate.
        fingerprint: of all settings of the record; older records have none.
        resumed: whether a killed evaluation was continued; the time before is not counted.
        selection: number of draws on which a worst case over several attacks is picked.
        not_applicable: entries of the suite that need parts which the cell does not have.
        probe: properties of the defence's gradients and outputs.
        seed: of evaluation and attacks.
        transform: row of transforms.yaml.
        training: null for the bare classifier.
    """

    nullable = ("training",)

    schema_: Annotated[Literal[1, 2], Field(alias="schema")]
    preset: str
    cell: RecordCell
    suite: str
    target: str
    attacked_cell: Annotated[str, Field(alias="victim")]
    fingerprint: str = ""
    resumed: bool = False
    n: Positive
    draws: Positive
    selection: Count = 0
    not_applicable: list[str] = []
    indices: SomeList
    labels: SomeList
    evaluations: Annotated[list[EvaluationModel], Field(min_length=1)]
    findings: list[FindingModel]
    probe: dict[str, Number | bool] = {}
    networks: Networks
    sizes: dict[str, Positive] = {}
    seed: Count = 0
    transform: dict[str, Any] = {}
    training: Training | None = None
    provenance: EvaluationProvenance
