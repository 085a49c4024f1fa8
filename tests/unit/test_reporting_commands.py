"""Commands in texts: a GPU only for presets that need one, and the user's overrides."""

from atop.experiment import presets
from atop.reporting.commands import snakemake


def test_the_command_names_a_gpu_where_the_preset_needs_one() -> None:
    paper, smoke = map(presets.get, ("paper", "smoke"))
    assert snakemake(paper, "a.md") == "snakemake --cores all --resources gpu=1 -- a.md"
    assert snakemake(smoke, "a.md", "b.md") == "snakemake --cores all -- a.md b.md"


def test_overrides_come_before_the_files() -> None:
    command = snakemake(presets.get("smoke"), "a.md", init="scratch", seed=1)
    assert command == "snakemake --cores all --config init=scratch seed=1 -- a.md"
