"""The one page: all numbers lead to their records, nothing is fetched, what is missing is said."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from support.released_records import smoke_run
from support.suite_records import write_suite

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.experiment import config, image_grids, presets
from atop.experiment.tables import Table, table
from atop.reporting.report import charts, figures, page
from atop.reporting.report.making import report

RUN = smoke_run()
VOID = {"meta", "link", "br", "img", "input"}


class Reader(HTMLParser):
    """Reads a page: ids, links and addresses of what it embeds; open tags must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" else []
        self.sources += [found["src"] or ""] if "src" in found else []
        if tag == "th":
            assert found["scope"] in ("row", "col", "rowgroup")
        if tag == "img":
            assert found["alt"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def smoke_tables() -> list[Table]:
    return [table(name, presets.get("smoke"), extras=name == "table7") for name in config.tables()]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the released records, one as of other code, with no figure but figure 5."""
    out = tmp_path_factory.mktemp("report")
    results = shutil.copytree(RUN, out / "results")
    path = next(results.rglob("*rt3-none*/table7-classifier.json"))
    record = read_json(path)
    write_json(path, {**record, "provenance": {**record["provenance"], "code_sha": "0"}})
    Image.new("RGB", (4, 4)).save(out / "figure5.png")
    told = {"title": "Figure 5: RT1", "caption": "Six <b>.", "alt": 'a "grid"', "missing": ["No X"]}
    write_json(out / "figure5.json", told)
    return report(tables=smoke_tables(), results=results, out=out).read_text()


@pytest.fixture(scope="module")
def read(text: str) -> Reader:
    return Reader(text)


def test_every_tag_is_closed_and_every_link_leads_somewhere(read: Reader) -> None:
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))
    assert len(read.links) > 200
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)


def test_nothing_is_fetched(read: Reader, text: str) -> None:
    assert all(source.startswith("data:") for source in read.sources)
    assert "default-src 'none'" in text
    style = "".join(re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL))
    assert not re.search(r"url\((?!['\"]?data:)|@import", style)


def test_each_measured_number_leads_to_its_record(text: str) -> None:
    body = text.partition('id="all-numbers"')[2].partition("</table>")[0]
    lines = [line for line in body.split("<tr>")[2:] if 'data-order="2' in line]
    assert lines
    records = {f"{p.parent.name}-{p.stem}" for p in RUN.rglob("*.json")}
    linked = set(re.findall(r'class="id" href="#([^"]+)"', body))
    assert linked
    assert linked <= records
    assert body.count("<tr>") - 1 == sum(len(list(one.numbers())) for one in smoke_tables())
    assert all('class="id"' in line for line in lines)


def test_compared_rows_lead_to_their_records(text: str) -> None:
    part = text.partition("Table 7: compared on the same examples")[2].partition("</table>")[0]
    lines = [re.findall(r'<a href="#([^"]+)">([^<]+)</a>', one) for one in part.split("<tr>")[2:]]
    both = [line for line in lines if len(line) == 2]  # of other rows there are no records here
    assert len(both) > 3
    for (first, name), (second, other) in both:
        assert first.endswith("-table7-classifier")
        assert second.endswith("-table7-classifier")
        assert ("AToP yes" in name) == ("adversarial" in first)
        assert ("AToP yes" in other) == ("adversarial" in second)


def test_a_row_of_several_records_leads_to_all(tmp_path: Path) -> None:
    made = table("table5", presets.get("smoke"))
    first, second = made.pairs[0]
    cell = write_suite(tmp_path, made, first, rate=0.5)
    other = write_suite(tmp_path, made, first, rate=0.5, column="cifar100-autoattack-linf")
    write_suite(tmp_path, made, second, rate=0.5)
    text = report(tables=[made], results=tmp_path, out=tmp_path).read_text()
    part = text.partition("compared on the same examples")[2].split("</table>")[1]
    links = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', part.split("<tr>")[2])
    assert [link for link, _ in links][:2] == [
        f"{cell.id}-table5-defense",
        f"{other.id}-aa_linf-defense",
    ]
    assert links[1][1] == "record 2"
    assert len(links) == 3


def test_numbers_of_each_table_are_links_too(text: str) -> None:
    part = text.partition('<h2 id="table7">')[2].partition("<section")[0]
    controls = part.index("Controls, not in the paper")
    for row, transform, atop in (("rt1-none", "rt1", "no"), ("rt3-adversarial", "rt3", "yes")):
        (name,) = {
            p.parent.name for p in RUN.rglob(f"*deepfill-*{row}-paper*/table7-classifier.json")
        }
        told = part.index(f'<a href="#{name}-table7-classifier">')
        line = part[part.rindex("<tr>", 0, told) : told]
        assert told < controls
        assert transform.upper() in line
        assert f'<th scope="row">{atop}</th>' in line
    assert part.index("undefended-table7-classifier") > controls


def test_a_record_says_what_made_it(text: str) -> None:
    path = next(RUN.rglob("*rt2-adversarial-paper*/table7-classifier.json"))
    content = json.loads(path.read_text())
    about = text.partition(f'id="{path.parent.name}-{path.stem}"')[2].partition("</details>")[0]
    made = content["provenance"]
    for word in (*made["checkpoints"].values(), made["code_sha"], str(made["peak_memory_mb"])):
        assert word in about
    for one in content["evaluations"][1:]:
        assert one["adversarial"]["sha256"] in about
    assert content["training"]["settings"]["fingerprint"] in about


def test_findings_and_deviations_stand_under_their_table(text: str) -> None:
    part = text.partition('<h2 id="table7">')[2].partition("<section")[0]
    for row in (row for row in config.deviations() if "table7" in row.tables):
        assert f'<th scope="row">{row.id}</th>' in part
    assert "different-code" in part
    assert "compared on the same examples" in part


def test_verdicts_are_counted(text: str) -> None:
    assert re.search(r"<strong>36</strong> not comparable", text)
    line = re.search(r'<a href="#table7">Table 7</a></th>(.*?)</tr>', text)
    assert line
    assert ">36<" in line[1]


def test_what_is_missing_is_said(text: str) -> None:
    assert text.count("Not drawn yet") == len(image_grids.names()) - 1
    assert text.count("Its figure is not drawn yet") == 2
    assert "Without a log here" in text
    assert "No training stage logged anything" in text


def test_a_drawn_grid_stands_with_its_words(text: str) -> None:
    assert 'alt="a &#34;grid&#34;"' in text
    assert "Six &lt;b&gt;." in text
    assert '<p class="missing">No X.</p>' in text


def frame() -> pd.DataFrame:
    keys = ("labels", "column_label", "measured", "low", "high", "paper", "verdict")
    long = "a row whose name is much longer than what stands beside nothing on a phone"
    lines = [
        ("RT1", "Clean", 50.0, 40.0, 60.0, "93.36", "lower"),
        ("RT1", "FGSM", None, None, None, "3", "not run"),
        (long, "Clean", 20.0, 10.0, 30.0, "", "not in the paper"),
    ]
    return pd.DataFrame(lines, columns=keys)


def lines_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of a chart."""
    (lines,) = spec["datasets"].values()
    return lines  # type: ignore[no-any-return]


def test_intervals_stand_under_the_names_of_their_rows() -> None:
    spec = charts.intervals(frame(), "Table 7")
    assert spec
    values = lines_of(spec)
    assert [bool(line["head"]) for line in values] == [True, False, True, True, False]
    assert [line.get("measured") for line in values] == [None, 50.0, None, None, 20.0]
    assert [line.get("paper") for line in values] == [None, 93.36, None, None, None]
    for layer in spec["layer"]:
        assert layer["encoding"]["y"]["scale"]["domain"] == [line["key"] for line in values]
    assert charts.intervals(frame().iloc[1:2], "Table 7") is None


def test_verdicts_are_told_in_tooltips() -> None:
    spec = charts.intervals(frame(), "Table 7")
    assert spec
    assert [line.get("verdict") for line in lines_of(spec)][1::3] == ["lower", "not in the paper"]
    bars, dots, diamonds, _ = (layer["encoding"] for layer in spec["layer"])
    for layer in (bars, dots, diamonds):
        assert "verdict" in [tip["field"] for tip in layer["tooltip"]]


def test_nothing_ends_a_script_early(tmp_path: Path) -> None:
    made = table("table7", presets.get("smoke"))
    rows = tuple(replace(row, labels=("</script><b>", row.labels[1])) for row in made.rows)
    path = report(tables=[replace(made, rows=rows)], results=RUN, out=tmp_path)
    text = path.read_text()
    assert Reader(text).open == []
    assert "</script><b>" not in text
    assert "\\u003c/script>\\u003cb>" in text


def test_commands_have_the_gpu_and_the_words_of_the_user() -> None:
    words = {"seed": 1, "recipe": "official"}
    plain = "snakemake --cores all"
    for made, said in (
        (table("table7", presets.get("smoke")), f"{plain} -- x.svg"),
        (table("table7", presets.get("paper")), f"{plain} --resources gpu=1 -- x.svg"),
        (
            table("table7", presets.get("smoke"), **words),
            f"{plain} --config seed=1 recipe=official -- x.svg",
        ),
        (
            table("table7", presets.get("smoke"), target="defense"),
            f"{plain} --config target=defense -- x.svg",
        ),
        (table("strict", presets.get("smoke"), target="defense"), f"{plain} -- x.svg"),
        (
            table("table2", presets.get("smoke"), extras=True),
            f"{plain} --config extras=true -- x.svg",
        ),
    ):
        assert figures.command(made, "x.svg") == said


def test_what_is_missing_is_made_with_the_words_of_the_page(tmp_path: Path) -> None:
    made = table("figure4", presets.get("paper"), seed=3)
    text = report(tables=[made], results=tmp_path, out=tmp_path).read_text()
    for file in ("figure4.svg", "figure5.png"):
        words = "snakemake --cores all --resources gpu=1 --config seed=3 --"
        assert f"<code>{words} {tmp_path / file}</code>" in text


def test_a_figure_without_its_words_names_the_file(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "figure5.png")
    write_json(tmp_path / "figure5.json", {"title": "", "alt": "", "missing": []})
    with pytest.raises(AtopError, match=r"figure5\.json: no caption; delete it and run again"):
        figures.grids(tmp_path, table("table7", presets.get("smoke")))


def test_text_is_no_markup() -> None:
    assert page.code("`rm <x>` & go") == "<code>rm &lt;x&gt;</code> &amp; go"
