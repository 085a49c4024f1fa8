"""What Snakemake reads for a table: each record once, the numbers of the paper, the config."""

from collections import Counter

from checkout import Checkout

QUOTED = {"table2", "table3", "table4", "table5", "table6", "table7", "table8", "table9"}


def test_a_table_that_the_paper_lacks_reads_what_it_quotes(clean: Checkout) -> None:
    (job,) = clean.plan("--", "tables/smoke/strict.md").of("table")
    assert set(Counter(job.inputs).values()) == {1}
    records = [name for name in job.inputs if name.startswith("results/")]
    assert {name.rpartition("/")[2] for name in records} == {"strict-defense.json"}
    assert len(records) == 8  # two ablations left out, wider networks with one stand-in
    papers = {name for name in job.inputs if name.startswith("tables/paper/")}
    assert papers == {f"tables/paper/{name}.csv" for name in QUOTED}
    files = {f"workflow/config/tables/{name}.yaml" for name in ("strict", "table7", "table8")}
    assert files <= set(job.inputs)


def test_a_column_may_have_records_of_its_own(fresh: Checkout) -> None:
    fresh.change("presets/smoke", {"dataset": {"cifar100": "cifar10_slice"}})
    (job,) = fresh.plan("--", "tables/smoke/table5.md").of("table")
    suites = Counter(name.rpartition("/")[2] for name in job.inputs if "/records/" in name)
    assert suites == {"table5-defense.json": 2, "aa_linf-defense.json": 2}


def test_a_word_for_the_target_picks_the_records_of_all_columns(clean: Checkout) -> None:
    (job,) = clean.plan("--config", "target=classifier", "--", "tables/smoke/table8.md").of("table")
    records = [name for name in job.inputs if "/records/" in name]
    assert len(records) == 7
    assert all(name.endswith("/table8-classifier.json") for name in records)


def test_numbers_that_wait_need_nothing(clean: Checkout) -> None:
    said = clean.plan("--", "tables/table6.md")
    assert said.counts == {"table": 1}
