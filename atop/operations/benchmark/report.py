"""The result of an evaluation: numbers, findings, files."""

import shutil
from pathlib import Path

from atop.reporting.aggregate import Aggregate
from atop.reporting.notes import interval, plain
from atop.reporting.render import write


class Report:
    """Accuracies of a defence under a protocol, and reasons for doubt.

    Attributes:
        protocol: of protocols.yaml.
        numbers: accuracy in percent with its 95% interval (`measured`, `low`, `high`) and `n`, by
            the key of a column.
        findings: reasons for doubt, `name` and `text`.
        records: the files with an outcome for each image, attack and draw.
    """

    def __init__(self, protocol: str, aggregate: Aggregate) -> None:
        self.protocol, self._aggregate = protocol, aggregate
        self._lines = aggregate.frame.dropna(subset=["measured"])
        columns = ["column", "measured", "low", "high", "n"]
        self.numbers = self._lines[columns].set_index("column").to_dict("index")
        self.findings = [
            {key: each[key] for key in ("name", "text")} for each in aggregate.findings
        ]
        self.records = list(aggregate.records)

    def __str__(self) -> str:
        width = self._lines["column_label"].str.len().max()
        n = ", ".join(map(str, sorted(set(self._lines["n"]))))
        lines = [f"{self._aggregate.table.spec.title}; accuracy in % [95% interval], n = {n}"]
        for _, line in self._lines.iterrows():
            value = f"{plain(line['measured']):>5} {interval(line['low'], line['high'])}"
            budget = "" if ";" in line["attack"] else line["budget"]
            lines.append(f"{line['column_label']:<{width}} {value}  {budget}".rstrip())
        lines += [f"{each['name']}: {each['text']}" for each in self.findings]
        return "\n".join([*lines, *([] if self.findings else ["Findings: none"])])

    def save(self, folder: str | Path) -> list[Path]:
        """Write the records and the table as Markdown, LaTeX and CSV, with all findings."""
        out = Path(folder)
        written = write(self.protocol, [self._aggregate], out)
        for record in self.records:
            shutil.copyfile(record, out / record.name)
        return [*written, *(out / record.name for record in self.records)]
