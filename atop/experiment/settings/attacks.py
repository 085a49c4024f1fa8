"""Attacks and suites of them (attacks.yaml)."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, StringConstraints, model_validator

from atop.experiment.settings.base import AttackName, Count, Fraction, Name, Positive, Settings

Target = Literal["classifier", "defense", "untransformed", "untuned"]
Entry = Annotated[str, StringConstraints(pattern=rf"^[a-z0-9-]+(@({'|'.join(Target.__args__)}))?$")]
"""An attack of a suite: NAME, or NAME@TARGET."""
Entries = Annotated[tuple[Entry, ...], Strict(False)]


class AttackSpec(Settings):
    """A row of attacks.yaml: a method and its budget.

    What is not named here are options of the method, which checks them itself.

    Attributes:
        method: a module in atop/method/attacks/; `clean` is no attack.
        norm, eps, bound: the threat model.
        pixels: side length of what the attacker hands in; the cell's own by default.
        examples: how many images it is run on; all by default.
        through: what is differentiated.
        after: the attack that it goes on from.
        judge: draws of its judge.
        chain: of `chains`: the row stands for several, each on what the one before left.
        sweep: values of one key: the row stands for one with each.
    """

    nullable = ("pixels",)

    model_config = {"extra": "allow"}

    method: str
    norm: Literal["Linf", "L2"] | None = None
    eps: Fraction | None = None
    step_size: Fraction | None = None
    bound: Fraction | None = None
    steps: Count | None = None
    eot: Positive | None = None
    pixels: Literal["native"] | Positive | None = None
    examples: Positive | None = None
    through: Literal["exact", "bpda", "fixed", "purified"] | None = None
    schedule: Literal["constant", "cosine"] | None = None
    average: Literal["loss", "logits", "probabilities", "hardest"] | None = None
    targets: Positive | None = None
    after: str | None = None
    judge: Positive | None = None
    restarts: Positive | None = None
    version: Literal["judged", "official"] | None = None
    chain: str | None = None
    sweep: Annotated[dict[str, list[Any]], Field(min_length=1, max_length=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.method == "autoattack" and self.version is None:
            raise ValueError("'version' is a required property")
        return self


class SuiteOverrides(Settings):
    """What a preset changes about a suite."""

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
    attacks: Annotated[Entries, Field(min_length=1)]
    draws: Positive
    selection: Count = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.attacks)) < len(self.attacks):
            raise ValueError("attacks: an entry stands there twice")
        return self


class Attacks(Settings):
    """attacks.yaml."""

    chains: dict[Name, list[dict[str, Any]]] = {}
    attacks: dict[AttackName, AttackSpec]
    suites: dict[Name, Suite]
