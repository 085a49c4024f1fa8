"""How AToP trains (recipes.yaml)."""

from typing import Literal

from atop.experiment.settings.base import Count, Name, NonNegative, Settings

Gan = Literal["full", "detached", "off"]
AttackTarget = Literal["classifier", "defense"]
Mask = Literal["per_example", "per_batch"]
L1Target = Literal["adversarial", "clean"]


class TransformOverrides(Settings):
    """What a recipe has otherwise for a transform."""

    ce_weight: NonNegative | None = None
    ce_after_images: Count | None = None
    l1_target: L1Target | None = None
    attack_target: AttackTarget | None = None
    mask: Mask | None = None


class RecipeOverrides(Settings):
    """What every recipe takes from a preset."""

    gan: Gan | None = None
    ce_weight: NonNegative | None = None
    ce_after_images: Count | None = None
    l1_target: L1Target | None = None
    attack_target: AttackTarget | None = None
    classifier_range: Literal["unit", "signed"] | None = None
    mask: Mask | None = None
    spectral_norm: Literal["parametrized", "in_place"] | None = None


class Recipe(Settings):
    """A recipe; recipes.yaml says what each key means."""

    gan: Gan
    ce_weight: NonNegative
    ce_after_images: Count
    l1_target: L1Target
    attack_target: AttackTarget
    classifier_range: Literal["unit", "signed"]
    mask: Mask
    spectral_norm: Literal["parametrized", "in_place"]
    transforms: dict[str, TransformOverrides] = {}


Recipes = dict[Name, Recipe]
"""recipes.yaml."""
