"""Cells: the names of trained defences, and how names become paths."""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from atop.core.errors import AtopError

FINETUNES = ("none", "adversarial", "clean", "continued", "classifier")
ABLATIONS = ("none", "no_noise", "no_mask", "no_transform")
VICTIMS = {
    "classifier": "the bare classifier",
    "defense": "the whole defence",
    "untransformed": "the defence without its transform",
    "untuned": "the purifier before its fine-tuning",
}
"""What an attack may differentiate."""
ANY = "any"  # the classifier of weights that know none
ALIKE = {"minmax": "paper"}
"""Recipes that differ from another in the examples of AToP alone. All that learns from none of
these is trained, attacked and evaluated once, under the name of that other recipe."""
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
        ablation: part of t that is switched off when the defence is used, not when it is trained.
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

    @property
    def undefended(self) -> bool:
        """Whether this is the bare classifier."""
        return self.purifier == "identity" and self.transform == "none"

    @property
    def id(self) -> str:
        """Its name in paths, such as cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0."""
        if self.undefended:
            return f"{self.dataset}-{self.classifier}-undefended"
        *words, seed, ablation = asdict(self).values()
        return "-".join([*words, f"s{seed}", *([] if ablation == "none" else [ablation])])

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
        ablation = words.pop() if words[-1] in ABLATIONS[1:] else "none"
        match = re.fullmatch(r"s(0|[1-9]\d*)", words[-1]) if words else None
        fine = named and len(words) == 8 and match
        if not fine or words[5] not in FINETUNES:
            raise AtopError(
                f"'{text}' is not a cell: expected DATASET-CLASSIFIER-PURIFIER-INIT-TRANSFORM-"
                f"FINETUNE-RECIPE-sSEED with FINETUNE one of {', '.join(FINETUNES)}, perhaps "
                f"with -{', -'.join(ABLATIONS[1:])} behind it, or DATASET-CLASSIFIER-undefended"
            )
        assert match
        names = ("dataset", "classifier", "purifier", "init", "transform", "finetune", "recipe")
        return cls(**dict(zip(names, words, strict=False)), seed=int(match[1]), ablation=ablation)

    @property
    def bare(self) -> "Cell":
        """The undefended classifier of this cell: the victim of a grey-box attack."""
        return Cell(dataset=self.dataset, classifier=self.classifier)

    def victim(self, name: str) -> "Cell":
        """The cell that is attacked on behalf of this one.

        Args:
            name: `classifier` (grey box), `defense` (this cell), `untransformed` (its networks
                without t) or `untuned` (its purifier as it was before AToP).

        Raises:
            AtopError: another name.
        """
        victims = {
            "classifier": self.bare,
            "defense": self,
            "untransformed": replace(self, ablation="no_transform"),
            "untuned": replace(self, finetune="none").shared,
        }
        if name not in victims:
            raise AtopError(f"target '{name}' is not known; known are {', '.join(victims)}")
        return self if self.undefended else victims[name]

    @property
    def purifies(self) -> bool:
        """Whether its purifier has weights, which have to come from somewhere."""
        return self.init != "none"

    @property
    def shared(self) -> "Cell":
        """This cell under the first of the recipes that make it alike."""
        if self.finetune == "adversarial":
            return self
        return replace(self, recipe=ALIKE.get(self.recipe, self.recipe))

    @property
    def weights(self) -> "Cell":
        """The cell whose trained weights this one uses: L_org knows no classifier."""
        whole = replace(self.shared, ablation="none")
        if self.finetune in ("none", "continued"):
            return replace(whole, classifier=ANY)
        return whole

    @property
    def base(self) -> "Cell":
        """The cell that fine-tuning starts from: the L_org stage on the target data."""
        return replace(self, finetune="none").weights

    def as_dict(self) -> dict[str, Any]:
        """Its fields and its id, as records hold them."""
        return {"id": self.id, **asdict(self)}
