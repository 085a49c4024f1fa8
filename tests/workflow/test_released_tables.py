"""Released tables come from the records in results/released/ and nothing else."""

import shutil

import pytest
from support.checkout import Checkout

from atop.core.files import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def with_records(fresh: Checkout) -> Checkout:
    for name in ("released", "benchmarks"):
        shutil.copytree(ROOT / "results" / name, fresh.folder / "results" / name)
    return fresh


def test_a_table_is_rendered_as_it_is_committed(with_records: Checkout) -> None:
    page = "tables/released/table7.md"
    (job,) = with_records.plan("--", page).jobs
    assert job.rule == "released_pages"
    assert "results/released/table7.jsonl" in job.inputs
    assert not any("/records/" in name for name in job.inputs)
    said = with_records.run("--cores", "1", "--", page)
    assert said.code == 0, said.text
    assert (with_records.folder / page).read_text() == (ROOT / page).read_text()


def test_all_of_them_are_one_target(with_records: Checkout) -> None:
    assert with_records.plan("--", "released").counts == {
        "released_pages": 1,
        "released": 1,
    }


def test_findings_follow_the_records(with_records: Checkout) -> None:
    (job,) = with_records.plan("--", "tables/released/FINDINGS.md").jobs
    read = {"results/released/strict.jsonl", "results/benchmarks/amd-epyc.json"}
    assert read <= set(job.inputs)
