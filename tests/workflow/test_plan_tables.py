"""What Snakemake reads for a table: each record once, the numbers of the paper, the config."""

from collections import Counter
from pathlib import Path

import pytest
from support.checkout import Checkout

pytestmark = pytest.mark.slow

QUOTED = {
    "table2", "table3", "table4", "table5", "table6", "table7", "table8", "table9", "public_review",
}  # fmt: skip


def test_a_table_that_the_paper_lacks_reads_what_it_quotes(clean: Checkout) -> None:
    (job,) = clean.plan("--", "tables/smoke/strict.md").of("table")
    assert set(Counter(job.inputs).values()) == {1}
    records = [name for name in job.inputs if name.startswith("results/")]
    assert {name.rpartition("/")[2] for name in records} == {"strict-defense.json"}
    assert len(records) == 11  # three ablations left out, all networks with one stand-in
    papers = {name for name in job.inputs if name.startswith("tables/paper/")}
    assert papers == {f"tables/paper/{name}.csv" for name in QUOTED}
    files = {f"workflow/config/tables/{name}.yaml" for name in ("strict", "table7", "table8")}
    assert files <= set(job.inputs)


def test_a_column_may_have_records_of_its_own(clean: Checkout) -> None:
    (job,) = clean.plan("--", "tables/native/table5.md").of("table")
    suites = Counter(name.rpartition("/")[2] for name in job.inputs if "/records/" in name)
    assert suites == {"table5-defense.json": 9, "aa_linf-defense.json": 9}


def test_f_is_exchanged_with_the_purifiers_of_two_trainings(clean: Checkout) -> None:
    """Two classifiers with weights of their own; fine-tuning is planned once for each."""
    said = clean.plan("--config", "extras=true", "--", "tables/native_cpu/table7.md")
    cell = "cifar10-{}-deepfill-scratch-rt2-adversarial-paper-s0"
    names = [job.wildcards["cell"] for job in said.of("finetune")]
    for f, other in (("resnet18_32", "resnet_small"), ("resnet_small", "resnet18_32")):
        assert names.count(cell.format(f)) == 1
        record = f"{cell.format(f)}-with_{other}"
        (job,) = [job for job in said.of("evaluate") if job.wildcards["cell"] == record]
        purifiers = [name for name in job.inputs if "/purifiers/" in name]
        assert purifiers == [f"results/native_cpu/purifiers/{cell.format(other)}.safetensors"]
    assert not any("with_" in name for name in names)
    assert "classifier" not in said.counts


def test_a_folder_may_have_a_space_in_its_name(fresh: Checkout, tmp_path: Path) -> None:
    (tmp_path / "my data").mkdir()
    words = ("--config", f"files={tmp_path}/my data", "--", "results/data/cifar10_slice/about.json")
    said = fresh.run("--cores", "1", *words)
    assert said.code == 0, said.text


def test_sizes_and_weights_of_others_reach_the_plan(clean: Checkout) -> None:
    said = clean.plan("--", "tables/table4.md")
    assert said.counts["checkpoint"] == 8  # seven files of five defences, and Places2
    assert said.counts["classifier"] == 2  # nobody has published standard-trained ones
    more = clean.plan("--config", "extras=true", "--", "tables/table2.md").counts
    usual = clean.plan("--", "tables/table2.md").counts
    assert more["checkpoint"] == usual["checkpoint"] + 5
    assert more["evaluate"] == usual["evaluate"] + 6  # one with g of another row
    assert more["finetune"] == usual["finetune"]


def test_a_word_for_the_target_picks_the_records_of_all_columns(clean: Checkout) -> None:
    (job,) = clean.plan("--config", "target=classifier", "--", "tables/smoke/table8.md").of("table")
    records = [name for name in job.inputs if "/records/" in name]
    assert len(records) == 11
    assert all(name.endswith("/table8-classifier.json") for name in records)


def test_numbers_that_wait_need_nothing(clean: Checkout) -> None:
    said = clean.plan("--", "tables/smoke/table4.md")
    assert said.counts == {"table": 1}


def test_what_the_users_folder_has_is_run(clean: Checkout, tmp_path: Path) -> None:
    (tmp_path / "imagenette2" / "val" / "n01440764").mkdir(parents=True)
    said = clean.plan("--config", f"files={tmp_path}", "--", "tables/smoke/table9.md")
    assert said.counts["classifier"] == said.counts["fetch"] == said.counts["table"] == 1
    assert said.counts["evaluate"] == 12
    missing = clean.plan("--config", "files=/no/such/folder", "--", "tables/smoke/table9.md")
    assert missing.code != 0
    assert "--config files=/no/such/folder: no such folder" in missing.text
