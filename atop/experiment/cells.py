"""Cells: the names of trained defences, and how names become paths."""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from atop.core.errors import AtopError

FINETUNES = ("none", "adversarial", "clean", "continued", "classifier")
L_ORG = ("none", "continued")
"""Fine-tuning by L_org alone, which knows no classifier."""
ABLATIONS = ("none", "no_noise", "no_mask", "no_transform", "fixed_mask")
TARGETS = {
    "classifier": "the bare classifier",
    "defense": "the whole defence",
    "untransformed": "the defence without its transform",
    "untuned": "the purifier before its fine-tuning",
}
"""Kinds of targets, which an attack differentiates."""
ANY = "any"  # the classifier of weights that know none
EQUIVALENT = {"minmax": "paper"}
"""Recipes that differ from another one in the adversarial examples of AToP alone. Training without
such examples is the same under both, and runs once, under the name of the other recipe."""
WITH = "with_"
"""Before the classifier that g was fine-tuned with, in the id of a cell with another one."""
_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One trained defence.

    Attributes:
        dataset, classifier, purifier, transform, recipe: rows of the config and members of the
            registries.
        init: where the purifier's weights come from before any training here; none: it has none.
        finetune: none, adversarial, clean or continued; classifier trains f on t(x) instead of g.
        seed: of the training.
        ablation: change of t when the defence is used, not when it is trained: a part that is
            switched off, or fixed_mask, one mask for all examples and draws.
        trained_with: the classifier that g was fine-tuned with, if it is not the cell's own.
    """

    dataset: str
    classifier: str
    purifier: str = "identity"
    init: str = "none"
    transform: str = "none"
    finetune: str = "none"
    recipe: str = "paper"
    seed: int = 0
    ablation: str = "none"
    trained_with: str = ""

    @property
    def undefended(self) -> bool:
        """Whether this is the bare classifier."""
        return self.purifier == "identity" and self.transform == "none"

    @property
    def id(self) -> str:
        """Its name in paths, such as cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0."""
        if self.undefended:
            return f"{self.dataset}-{self.classifier}-undefended"
        *names, seed, ablation, other = asdict(self).values()
        exchanged = [f"{WITH}{other}"] if other else []
        changed = [] if ablation == "none" else [ablation]
        return "-".join([*names, f"s{seed}", *exchanged, *changed])

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """The cell of an id.

        Raises:
            AtopError: the text is not an id.
        """
        parts = text.split("-")
        named = all(_NAME.fullmatch(part) for part in parts)
        if named and len(parts) == 3 and parts[2] == "undefended":
            return cls(dataset=parts[0], classifier=parts[1])
        ablation = parts.pop() if parts[-1] in ABLATIONS[1:] else "none"
        if exchanged := re.fullmatch(rf"{WITH}(\w+)", parts[-1] if parts else ""):
            parts.pop()
        match = re.fullmatch(r"s(0|[1-9]\d*)", parts[-1]) if parts else None
        if not (named and len(parts) == 8 and match and parts[5] in FINETUNES):
            raise AtopError(
                f"'{text}' is not a cell: expected DATASET-CLASSIFIER-PURIFIER-INIT-TRANSFORM-"
                f"FINETUNE-RECIPE-sSEED with FINETUNE one of {', '.join(FINETUNES)}, perhaps "
                f"with -{WITH}CLASSIFIER and -{', -'.join(ABLATIONS[1:])} behind it, or "
                "DATASET-CLASSIFIER-undefended"
            )
        names = ("dataset", "classifier", "purifier", "init", "transform", "finetune", "recipe")
        fields = dict(zip(names, parts, strict=False))
        other = exchanged[1] if exchanged else ""
        return cls(**fields, seed=int(match[1]), ablation=ablation, trained_with=other)

    @property
    def bare(self) -> "Cell":
        """The undefended classifier of this cell: the target of a grey-box attack."""
        return Cell(dataset=self.dataset, classifier=self.classifier)

    def target(self, kind: str) -> "Cell":
        """The cell that is attacked in an evaluation of this one.

        Args:
            kind: `classifier` (grey box), `defense` (this cell), `untransformed` (its networks
                without t) or `untuned` (its purifier before AToP).

        Raises:
            AtopError: another kind.
        """
        targets = {
            "classifier": self.bare,
            "defense": self,
            "untransformed": replace(self, ablation="no_transform"),
            "untuned": replace(self, finetune="none", trained_with="").shared,
        }
        if kind not in targets:
            raise AtopError(f"target '{kind}' is not known; known are {', '.join(targets)}")
        return self if self.undefended else targets[kind]

    @property
    def purifies(self) -> bool:
        """Whether its purifier has weights."""
        return self.init != "none"

    @property
    def shared(self) -> "Cell":
        """This cell under the first of the equivalent recipes."""
        if self.finetune == "adversarial":
            return self
        return replace(self, recipe=EQUIVALENT.get(self.recipe, self.recipe))

    @property
    def weights(self) -> "Cell":
        """The cell whose trained weights this one uses: L_org knows no classifier."""
        classifier = ANY if self.finetune in L_ORG else self.trained_with or self.classifier
        return replace(self.shared, ablation="none", classifier=classifier, trained_with="")

    @property
    def base(self) -> "Cell":
        """The cell that fine-tuning starts from: the L_org stage on the target data."""
        return replace(self, finetune="none").weights

    def as_dict(self) -> dict[str, Any]:
        """Its fields and its id, as records hold them; `trained_with` only if it has one."""
        fields = asdict(self)
        if not self.trained_with:
            del fields["trained_with"]
        return {"id": self.id, **fields}
