"""Protocols as tables of one row, under presets of their own."""

from dataclasses import replace

from atop.core.errors import AtopError
from atop.experiment import config, paths, presets, tables, validate
from atop.experiment.presets import Preset
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.settings.presets import AttackOverrides
from atop.experiment.settings.protocols import ProtocolSpec
from atop.experiment.settings.tables import RowSpec, TableCell, TableSpec
from atop.experiment.tables import Column, Table
from atop.experiment.targets import applies

NAME = "defenses"
FOLDER = paths.RESULTS / NAME
"""The folder of all results of protocols."""


def table(protocol: str, *, name: str, dataset: str, n: int | None) -> Table:
    """The table of a protocol, whose one row is an external defence.

    Args:
        protocol: of protocols.yaml.
        name: of the defence, a row of classifiers.yaml or one that was given.
        dataset: of the images.
        n: number of test images; None for those of the protocol's preset.

    Raises:
        AtopError: no such protocol; or nothing in it applies, since the protocol attacks the
            classifier inside the defence and none was named.
    """
    row = config.protocol(protocol)
    config.dataset(dataset)
    built = tables.of_spec(protocol, _spec(row, name, dataset), _preset(row, protocol, n))
    if config.suite(built.spec.suite).target == "classifier" and not config.classifier(name).inside:
        raise AtopError(f"{protocol} attacks the classifier inside of the defence; name that one")
    validate.check_table(built)
    columns = (_applicable(built, column) for column in built.columns)
    return replace(built, columns=tuple(column for column in columns if column.entries))


def _applicable(table: Table, column: Column) -> Column:
    """A column with the attacks that apply to the defence; with none if only clean images do."""
    cell = table.cell(table.rows[0])
    entries = [parse_entry(text, column.target) for text in column.entries]
    kept = [each.text for each in entries if cell and applies(each, cell, table.preset)]
    shown = tables.are_clean(kept) == tables.are_clean(column.listed)
    return replace(column, entries=tuple(kept) if shown else ())


def _spec(row: ProtocolSpec, name: str, dataset: str) -> TableSpec:
    cell = TableCell(dataset=dataset, defense=name)
    source = config.table(row.table) if row.table else row
    spec = TableSpec(
        title=f"{name}: {row.about}",
        suite=str(source.suite),
        labels=["Defence"],
        defaults=TableCell(),
        rows=[RowSpec(key=name, labels=[name], cell=cell)],
        columns=[column for column in source.columns or [] if column.cell is None],
    )
    if isinstance(source, TableSpec):
        return spec.model_copy(update={"caption": source.caption})
    return spec


def _preset(row: ProtocolSpec, protocol: str, n: int | None) -> Preset:
    """The preset of a protocol, with another number of images and a folder of its own."""
    preset = presets.get(row.preset)
    settings = preset.settings
    if n is None:
        return Preset(f"{NAME}/{protocol}", settings)
    images = settings.evaluation.model_copy(update={"n": n, "grey_box": n})
    attacks = settings.attacks | {"*": AttackOverrides(examples=n)}
    changes = {"evaluation": images, "attacks": attacks}
    return Preset(f"{NAME}/{protocol}-n{n}", settings.model_copy(update=changes))
