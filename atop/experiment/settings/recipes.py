"""How AToP trains (recipes.yaml)."""

from typing import Literal

from atop.experiment.settings.base import Count, Name, NonNegative, Settings, overrides_of

Gan = Literal["full", "detached", "off"]
AttackTarget = Literal["classifier", "defense"]
Mask = Literal["per_example", "per_batch"]
L1Target = Literal["adversarial", "clean"]


class Conditions(Settings):
    """What a recipe says; recipes.yaml says what each key means."""

    gan: Gan
    ce_weight: NonNegative
    ce_after_images: Count
    l1_target: L1Target
    attack_target: AttackTarget
    classifier_range: Literal["unit", "signed"]
    mask: Mask
    spectral_norm: Literal["parametrized", "in_place"]


class RecipeOverrides(overrides_of(Conditions)):  # type: ignore[misc]
    """What every recipe takes from a preset."""


class TransformOverrides(
    overrides_of(Conditions, "gan", "classifier_range", "spectral_norm")  # type: ignore[misc]
):
    """What a recipe has otherwise for a transform."""


class Recipe(Conditions):
    """The same, with others for a transform."""

    transforms: dict[str, TransformOverrides] = {}


Recipes = dict[Name, Recipe]
"""recipes.yaml."""
