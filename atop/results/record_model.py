"""What a record holds: results/<preset>/records/<cell>/<suite>-<target>.json.

Lengths that must agree, and integers by the ten thousand, atop/results/records.py checks.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from atop.experiment.settings.base import Count, NonNegative, Number, Positive, Settings

SomeList = Annotated[list[Any], Field(min_length=1)]
Draws = Annotated[list[list[Any]], Field(min_length=1)]


class RecordCell(Settings):
    """The cell, as `Cell.as_dict` writes it."""

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


class Budget(Settings):
    """The row of attacks.yaml as run; what it holds, its method decides."""

    model_config = {"extra": "allow"}

    method: str
    scaled: dict[str, Any] = {}


class Data(Settings):
    """The test images: their ordered hash, how it is known, what `indices` are places in."""

    name: str
    sha256: str
    verified: Literal["pixels", "archive"] | None
    positions: Literal["published", "found"]


class Provenance(Settings):
    """What made a file. `data_sha256` and `tf32` are older than `data` and `compute`."""

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
    """The same of an evaluation, which names its settings and its data."""

    config_digest: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.data is None and not self.data_sha256:
            raise ValueError("'data' is a required property")
        return self


class AdversarialSet(Settings):
    """How an adversarial set was made; older records have its hash alone.

    Attributes:
        after_sha256: of the set that it went on from.
        attacked: how many images.
        classified: images classified on the way, draws counted.
        resumed: whether a killed run was taken up, of which neither that nor the time is counted.
        flags: what AutoAttack's own checks object to.
    """

    nullable = ("after_sha256",)

    sha256: str
    victim: RecordCell | None = None
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
    """Predictions under the selection draws, and mean margins of the true logit."""

    predictions: Draws
    margins: SomeList


class Distance(Settings):
    """How far an adversarial set went: largest Linf, mean and largest L2, share of unmoved."""

    nullable = ("l2_max",)

    linf: Number | None
    l2: Number | None
    l2_max: Number | None = None
    unmoved: Number | None


class EvaluationModel(Settings):
    """Outcomes under an entry of a suite; `adversarial` is null for clean images."""

    attack: str
    budget: Budget
    predictions: Draws
    selection: Selection | None = None
    distance: Distance
    adversarial: AdversarialSet | None


class FindingModel(Settings):
    """By the checks as they were when it was made; tables show what those of today find."""

    name: str
    text: str


class Network(Settings):
    """A network by name and size."""

    name: str
    parameters: Count


class Networks(Settings):
    """Those of the cell."""

    nullable = ("purifier",)

    classifier: Network
    purifier: Network | None = None


class TrainingProvenance(Settings):
    """What is always known of a training."""

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
        schema_: 1: AutoAttack's budgets have no `version`; it was the official one.
        fingerprint: of all settings behind it; older records lack it.
        resumed: whether a killed evaluation was taken up; the time before is not counted.
        selection: draws on which a worst case over several attacks is picked.
        probe: what gradients and outputs of the defence look like.
        seed: of evaluation and attacks.
        transform: its row of transforms.yaml.
        training: null for the bare classifier.
    """

    nullable = ("training",)

    schema_: Annotated[Literal[1, 2], Field(alias="schema")]
    preset: str
    cell: RecordCell
    suite: str
    target: str
    victim: str
    fingerprint: str = ""
    resumed: bool = False
    n: Positive
    draws: Positive
    selection: Count = 0
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
