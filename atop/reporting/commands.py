"""Commands that make files, for texts that name what is missing."""

from atop.experiment.presets import Preset


def snakemake(preset: Preset, *files: object, **options: object) -> str:
    """Return the command that makes files of a preset, with its GPU and options of --config."""
    parts = ["snakemake --cores all"]
    if preset.settings.device == "gpu":
        parts.append("--resources gpu=1")
    if options:
        parts += ["--config", *(f"{key}={value}" for key, value in options.items())]
    return " ".join([*parts, "--", *map(str, files)])
