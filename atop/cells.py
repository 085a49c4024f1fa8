"""Cells: the names of trained defences, and how names become paths."""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from atop.errors import AtopError

FINETUNES = ("none", "adversarial", "clean", "continued")
ANY = "any"  # the classifier of weights that know none
_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One trained defence.

    Attributes:
        dataset, classifier, purifier, transform, recipe: rows of the config and members of the
            registries.
        init: where the purifier's weights come from before any training here.
        finetune: none, adversarial, clean or continued.
        seed: of the training.
    """

    dataset: str
    classifier: str
    purifier: str = "identity"
    init: str = "none"
    transform: str = "none"
    finetune: str = "none"
    recipe: str = "paper"
    seed: int = 0

    @property
    def undefended(self) -> bool:
        """Whether this is the bare classifier."""
        return self.purifier == "identity" and self.transform == "none"

    @property
    def id(self) -> str:
        """Its name in paths, such as cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0."""
        if self.undefended:
            return f"{self.dataset}-{self.classifier}-undefended"
        *words, seed = asdict(self).values()
        return "-".join([*words, f"s{seed}"])

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """The cell of an id.

        Raises:
            AtopError: the text is not an id.
        """
        words = text.split("-")
        named = all(_NAME.fullmatch(word) for word in words)
        if named and len(words) == 3 and words[2] == "undefended":
            return cls(dataset=words[0], classifier=words[1])
        match = re.fullmatch(r"s(0|[1-9]\d*)", words[-1])
        fine = named and len(words) == 8 and match
        if not fine or words[5] not in FINETUNES:
            raise AtopError(
                f"'{text}' is not a cell: expected DATASET-CLASSIFIER-PURIFIER-INIT-TRANSFORM-"
                f"FINETUNE-RECIPE-sSEED with FINETUNE one of {', '.join(FINETUNES)}, "
                "or DATASET-CLASSIFIER-undefended"
            )
        assert match
        names = ("dataset", "classifier", "purifier", "init", "transform", "finetune", "recipe")
        return cls(**dict(zip(names, words, strict=False)), seed=int(match[1]))

    @property
    def bare(self) -> "Cell":
        """The undefended classifier of this cell: the victim of a grey-box attack."""
        return Cell(dataset=self.dataset, classifier=self.classifier)

    def victim(self, target: str) -> "Cell":
        """The cell that is attacked on behalf of this one: itself, or its bare classifier.

        Raises:
            AtopError: `target` is neither `classifier` (grey box) nor `defense`.
        """
        victims = {"classifier": self.bare, "defense": self}
        if target not in victims:
            raise AtopError(f"target '{target}' is not known; known are {', '.join(victims)}")
        return victims[target]

    @property
    def weights(self) -> "Cell":
        """The cell whose purifier weights this one uses: L_org knows no classifier."""
        if self.finetune in ("none", "continued"):
            return replace(self, classifier=ANY)
        return self

    @property
    def base(self) -> "Cell":
        """The cell that fine-tuning starts from: the L_org stage on the target data."""
        return replace(self, finetune="none").weights

    def as_dict(self) -> dict[str, Any]:
        """Its fields and its id, as records hold them."""
        return {"id": self.id, **asdict(self)}
