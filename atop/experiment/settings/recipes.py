"""Recipes of AToP (recipes.yaml)."""

from typing import Literal

from atop.experiment.settings.base import Count, Name, NonNegative, Settings, overrides_of

Gan = Literal["full", "detached", "off"]
AttackTarget = Literal["classifier", "defense"]
Mask = Literal["per_example", "per_batch"]
L1Target = Literal["adversarial", "clean"]


class Recipe(Settings):
    """A recipe; recipes.yaml explains each key."""

    gan: Gan
    ce_weight: NonNegative
    ce_after_images: Count
    l1_target: L1Target
    attack_target: AttackTarget
    classifier_range: Literal["unit", "signed"]
    mask: Mask
    spectral_norm: Literal["parametrized", "in_place"]


class RecipeOverrides(overrides_of(Recipe)):  # type: ignore[misc]
    """Keys of all recipes that a preset sets."""


class TransformOverrides(
    overrides_of(Recipe, "gan", "classifier_range", "spectral_norm")  # type: ignore[misc]
):
    """Keys of a recipe that differ for a transform."""


class RecipeRow(Recipe):
    """A row of recipes.yaml: a recipe, with overrides for transforms."""

    transforms: dict[str, TransformOverrides] = {}


Recipes = dict[Name, RecipeRow]
"""recipes.yaml."""
