"""Commands that show results: tables, figures, the report, released records."""

from argparse import Namespace
from pathlib import Path

from atop.commands.arguments import AddCommand, Parser, add_overrides, table_of
from atop.core.errors import AtopError


def add(command: AddCommand) -> None:
    """Add the commands of this file."""
    parser = command("table", table)
    parser.add_argument("--table", required=True, help="such as table7")
    _add_rendering(parser, "extras", "init", "recipe", "seed", "target")
    parser = command("draw", draw)
    parser.add_argument("--figure", required=True, help="such as figure5")
    _add_rendering(parser, "init", "recipe", "seed")
    parser = command("plot", plot)
    parser.add_argument("--data", type=Path, required=True, help="CSV of a rendered table")
    parser.add_argument(
        "--out", type=Path, required=True, action="append", help="a .png, .pdf or .svg; repeatable"
    )
    _add_rendering(command("report", report), "extras", "init", "recipe", "seed", "target")
    parser = command("release", release)
    parser.add_argument("--table", required=True, help="such as table7")
    _add_reading(parser, "extras", "init", "recipe")
    parser.set_defaults(seed=None, target=None)  # a row's own, as released tables show it
    parser = command("released", released_pages)
    parser.add_argument("--table", help="such as table7; all tables and FINDINGS.md by default")
    parser.add_argument("--records", type=Path, help="of --table; results/released/TABLE.jsonl")
    parser.add_argument("--out", type=Path, help="folder; tables/released/ by default")
    parser = command("quote", quote)
    parser.add_argument("template", type=Path, help="such as workflow/report/FINDINGS.md.j2")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser = command("verify", verify)
    parser.add_argument("files", nargs="*", type=Path, help="all of results/released/ by default")
    parser = command("export", export)
    parser.add_argument("files", nargs="*", type=Path, help="all records of results/ by default")
    parser.add_argument("--released", action="store_true", help="the released records instead")
    parser.add_argument("--to", type=Path, required=True, help="such as records.parquet")
    parser = command("benchmarks", benchmarks)
    parser.add_argument("--page", type=Path, help="results/benchmarks/README.md; prints by default")


def _add_reading(command: Parser, *overrides: str) -> None:
    command.add_argument("--preset", required=True, help="paper, native or smoke")
    command.add_argument("--results", type=Path, help="folder to read; results/ by default")
    add_overrides(command, *overrides)


def _add_rendering(command: Parser, *overrides: str) -> None:
    _add_reading(command, *overrides)
    command.add_argument("--out", type=Path, help="folder; tables/ or tables/PRESET/ by default")


def table(options: Namespace) -> None:
    """Render a table from the records that exist, beside the paper's numbers."""
    from atop.experiment import paths
    from atop.reporting.render import render

    out, shown = options.out or paths.tables_of(options.preset), table_of(options.table, options)
    for path in render(table=shown, results=options.results or paths.RESULTS, out=out):
        print(path)


def draw(options: Namespace) -> None:
    """Draw a grid of stored images as PNG, PDF and SVG, with a description in JSON."""
    from atop.experiment import image_grids, paths, presets, validate
    from atop.reporting.image_grids import drawing

    overrides = {name: getattr(options, name) for name in ("init", "recipe", "seed")}
    grid = image_grids.grid(options.figure, presets.get(options.preset), **overrides)
    validate.check_grid(grid)
    out = options.out or paths.tables_of(options.preset)
    for path in drawing.draw(grid, results=options.results or paths.RESULTS, out=out):
        print(path)


def plot(options: Namespace) -> None:
    """Draw the figure of a rendered table, curves or bars, from its CSV."""
    from atop.reporting.figures import plot

    plot(options.data, options.out)
    print(*options.out, sep="\n")


def report(options: Namespace) -> None:
    """Make the page of a preset, from the records and figures that exist."""
    from atop.experiment import config, paths
    from atop.reporting.report.making import report

    names = sorted(config.tables(), key=lambda name: not name.startswith("table"))
    out = options.out or paths.tables_of(options.preset)
    shown = [table_of(name, options) for name in names]  # the paper's, then all others
    print(report(tables=shown, results=options.results or paths.RESULTS, out=out))


def release(options: Namespace) -> None:
    """Write a table's records into results/released/TABLE.jsonl; they replace older ones."""
    from atop.experiment import paths
    from atop.results import released

    shown, file = table_of(options.table, options), released.FOLDER / f"{options.table}.jsonl"
    new, missing = released.release(shown, options.results or paths.RESULTS, file)
    for path in missing:
        print(f"missing: {path}")
    print(f"{new} records of preset {options.preset} are in {file}")


def released_pages(options: Namespace) -> None:
    """Render tables from released records, a section for each preset that has some.

    Without --table, all tables, FINDINGS.md, which quotes them, and a figure of each preset.
    """
    from atop.experiment import config, paths
    from atop.reporting import figures, quotes
    from atop.reporting.render import render_released
    from atop.results import released

    if options.records and not options.table:
        raise AtopError("--records needs --table, which says what table the records are of")
    out = options.out or paths.tables_of("released")
    for name in [options.table] if options.table else config.tables():
        file = options.records or released.file(name)
        print(*render_released(name=name, file=file, out=out), sep="\n")
    if not options.table:
        quotes.fill(quotes.FINDINGS, out / "FINDINGS.md")
        print(out / "FINDINGS.md", *figures.summarise(out), sep="\n")


def quote(options: Namespace) -> None:
    """Fill numbers of released records into a text; a number that no record has is an error."""
    from atop.reporting.quotes import fill

    fill(options.template, options.out)
    print(options.out)


def verify(options: Namespace) -> None:
    """Check released records against the config, the dataset if it is here, and each other.

    Indices, labels, budgets, training settings, hashes and distances; nothing is run.
    """
    from atop.results import released
    from atop.results.verify import verify

    result = verify(options.files or released.files())
    for file, count in result.counts.items():
        print(f"{file}: {count} records")
    for name in result.unread:
        print(f"labels of {name} were compared with each other only: `atop fetch --dataset {name}`")
    print(*result.problems, sep="\n", end="\n" if result.problems else "")
    if result.problems:
        raise AtopError(f"not verified: {len(result.problems)} of these are wrong")
    print("verified")


def export(options: Namespace) -> None:
    """Write records as Parquet: a line for each image, attack and draw."""
    from atop.experiment import paths
    from atop.results import export, released

    here = sorted(paths.RESULTS.glob("**/records/*/*.json"))
    files = options.files or (released.files() if options.released else here)
    if not files:
        raise AtopError(f"{paths.RESULTS}: no records; --released has those of this suite")
    lines = export.frame(export.read(files))
    export.write(lines, options.to)
    print(f"{options.to}: {len(lines)} lines of {len(files)} files")


def benchmarks(options: Namespace) -> None:
    """Print measured speeds, or write them into a page that has a place for them."""
    from atop.reporting import benchmarks

    if options.page:
        benchmarks.update(options.page)
        print(options.page)
    else:
        print(benchmarks.markdown(), end="")
