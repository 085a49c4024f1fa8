"""Attacks and suites of them (attacks.yaml)."""

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, Strict, StringConstraints, model_validator

from atop.experiment.settings.base import AttackName, Count, Fraction, Name, Positive, Settings

Target = Literal["classifier", "defense", "untransformed", "untuned"]
EntryText = Annotated[
    str, StringConstraints(pattern=rf"^[a-z0-9-]+(@({'|'.join(Target.__args__)}))?$")
]
"""An attack of a suite: NAME, or NAME@TARGET."""


class Entry(NamedTuple):
    """An entry of a suite: an attack, and the kind of target that it differentiates."""

    text: str
    attack: str
    target: str


def parse_entry(text: str, target: str) -> Entry:
    """Split NAME@TARGET; where the text names no target, it is the suite's."""
    attack, _, own = text.partition("@")
    return Entry(text, attack, own or target)


HARNESS = ("method", "pixels", "examples", "through", "after", "judge", "restarts", "scaled")
"""Keys of an attack that say how it is run; all others are options of its method."""


class AttackSpec(Settings):
    """An attack: a method and its budget. Keys that are not declared are options of the method.

    Attributes:
        method: a module in atop/method/attacks/; `clean` is no attack.
        norm, eps, bound: the threat model.
        pixels: side length of the attacker's images; the cell's own by default.
        examples: how many images are attacked; all by default.
        through: what is differentiated.
        after: the attack that it goes on from.
        judge: draws of its judge.
        scaled: keys that a preset changed, with their values before.
    """

    nullable = ("pixels",)

    model_config = {"extra": "allow"}

    method: str
    norm: Literal["Linf", "L2"] | None = None
    eps: Fraction | None = None
    bound: Fraction | None = None
    step_size: Fraction | None = None
    steps: Count | None = None
    eot: Positive | None = None
    targets: Positive | None = None
    average: Literal["loss", "logits", "probabilities", "hardest"] | None = None
    schedule: Literal["constant", "cosine"] | None = None
    through: Literal["exact", "bpda", "fixed", "purified"] = "exact"
    version: Literal["judged", "official"] | None = None
    pixels: Literal["native"] | Positive | None = None
    examples: Positive | None = None
    restarts: Positive = 1
    judge: Positive = 20
    after: str | None = None
    scaled: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.method == "autoattack" and self.version is None:
            raise ValueError("'version' is a required property")
        return self

    @property
    def clean(self) -> bool:
        """Whether it leaves images as they are."""
        return self.method == "clean"

    @property
    def options(self) -> dict[str, Any]:
        """Options of its method, as `registry.build` takes them."""
        return {key: value for key, value in self.given().items() if key not in HARNESS}


class AttackRow(AttackSpec):
    """A row of attacks.yaml.

    Attributes:
        chain: of `chains`: the row is several attacks, each after the one before.
        sweep: values of one key: the row is one attack for each.
    """

    chain: str | None = None
    sweep: Annotated[dict[str, list[Any]], Field(min_length=1, max_length=1)] | None = None


class SuiteOverrides(Settings):
    """Values of a suite that a preset changes."""

    draws: Positive | None = None
    selection: Count | None = None
    leave_out: Annotated[tuple[str, ...], Strict(False)] = ()


class Suite(Settings):
    """Attacks that are evaluated together.

    Attributes:
        target: what they differentiate where an entry does not say.
        draws: of a random defence.
        selection: draws on which a worst case is picked.
    """

    target: Target
    attacks: Annotated[tuple[EntryText, ...], Strict(False), Field(min_length=1)]
    draws: Positive
    selection: Count = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.attacks)) < len(self.attacks):
            raise ValueError("attacks: an entry stands there twice")
        return self

    def entries(self, target: str) -> list[Entry]:
        """Its attacks with their targets; `target` is that of entries that name none."""
        return [parse_entry(text, target) for text in self.attacks]


class AttackFile(Settings):
    """attacks.yaml."""

    chains: dict[Name, list[dict[str, Any]]] = {}
    attacks: dict[AttackName, AttackRow]
    suites: dict[Name, Suite]


class Attacks(Settings):
    """attacks.yaml, where each chain and each sweep is the attacks that it stands for."""

    attacks: dict[AttackName, AttackSpec]
    suites: dict[Name, Suite]
