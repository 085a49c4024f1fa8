"""Commands that show results: tables, figures, the report, released records."""

from argparse import Namespace
from pathlib import Path

from atop.commands.arguments import AddCommand, Parser, add_overrides, table_of
from atop.core.errors import AtopError


def add(command: AddCommand) -> None:
    """Add the commands of this file."""
    one = command("table", table)
    one.add_argument("--table", required=True, help="such as table7")
    _add_rendering(one, "extras", "init", "recipe", "seed", "target")
    one = command("draw", draw)
    one.add_argument("--figure", required=True, help="such as figure5")
    _add_rendering(one, "init", "recipe", "seed")
    one = command("plot", plot)
    one.add_argument("--data", type=Path, required=True, help="CSV of a rendered table")
    one.add_argument(
        "--out", type=Path, required=True, action="append", help="a .png, .pdf or .svg; repeatable"
    )
    _add_rendering(command("report", report), "extras", "init", "recipe", "seed", "target")
    one = command("release", release)
    one.add_argument("--table", required=True, help="such as table7")
    _add_reading(one, "extras", "init", "recipe")
    one.set_defaults(seed=None, target=None)  # a row's own, as released tables show it
    one = command("released", released_table)
    one.add_argument("--table", required=True, help="such as table7")
    one.add_argument("--records", type=Path, help="results/released/TABLE.jsonl by default")
    one.add_argument("--out", type=Path, help="folder; tables/released/ by default")
    one = command("quote", quote)
    one.add_argument("template", type=Path, help="such as workflow/report/FINDINGS.md.j2")
    one.add_argument("--out", type=Path, required=True, help="file to write")
    one = command("verify", verify)
    one.add_argument("files", nargs="*", type=Path, help="all of results/released/ by default")
    one = command("benchmarks", benchmarks)
    one.add_argument("--page", type=Path, help="results/benchmarks/README.md; prints by default")


def _add_reading(command: Parser, *overrides: str) -> None:
    command.add_argument("--preset", required=True, help="paper, native or smoke")
    command.add_argument("--results", type=Path, help="what to read; results/ by default")
    add_overrides(command, *overrides)


def _add_rendering(command: Parser, *overrides: str) -> None:
    _add_reading(command, *overrides)
    command.add_argument("--out", type=Path, help="folder; tables/ or tables/PRESET/ by default")


def table(options: Namespace) -> None:
    """Render a table from the records that exist, beside the paper's numbers."""
    from atop.experiment import paths
    from atop.reporting.render import render

    out, made = options.out or paths.place(options.preset), table_of(options.table, options)
    for path in render(table=made, results=options.results or paths.RESULTS, out=out):
        print(path)


def draw(options: Namespace) -> None:
    """Draw a grid of stored pictures, as PNG, PDF and SVG, and say in JSON what it shows."""
    from atop.experiment import image_grids, paths
    from atop.reporting.image_grids import drawing

    words = {name: getattr(options, name) for name in ("init", "recipe", "seed")}
    made = image_grids.grid(options.figure, options.preset, **words)
    out = options.out or paths.place(options.preset)
    for path in drawing.draw(made, results=options.results or paths.RESULTS, out=out):
        print(path)


def plot(options: Namespace) -> None:
    """Draw the figure of a rendered table, curves or bars, from its CSV."""
    from atop.reporting.figures import plot

    plot(options.data, options.out)
    print(*options.out, sep="\n")


def report(options: Namespace) -> None:
    """Make the one page of a preset, from the records and figures that exist."""
    from atop.experiment import config, paths
    from atop.reporting.report.making import report

    names = sorted(config.tables(), key=lambda name: not name.startswith("table"))
    out = options.out or paths.place(options.preset)
    made = [table_of(name, options) for name in names]  # the paper's, then all others
    print(report(tables=made, results=options.results or paths.RESULTS, out=out))


def release(options: Namespace) -> None:
    """Put a table's records into results/released/TABLE.jsonl, in place of older ones."""
    from atop.experiment import paths
    from atop.results import released

    made, file = table_of(options.table, options), released.file(options.table)
    new, missing = released.release(made, options.results or paths.RESULTS, file)
    for path in missing:
        print(f"not made: {path}")
    print(f"{new} records of preset {options.preset} are in {file}")


def released_table(options: Namespace) -> None:
    """Render a table from released records, a section for each preset that has some."""
    from atop.experiment import paths
    from atop.reporting.render import render_released
    from atop.results import released

    file = options.records or released.file(options.table)
    out = options.out or paths.place("released")
    for path in render_released(name=options.table, file=file, out=out):
        print(path)


def quote(options: Namespace) -> None:
    """Fill the numbers of released records into a text; a number that none holds is an error."""
    from atop.reporting.quotes import fill

    fill(options.template, options.out)
    print(options.out)


def verify(options: Namespace) -> None:
    """Check released records against the config, the dataset if it is here, and each other.

    Indices, labels, budgets, training settings, hashes and distances; nothing is run.
    """
    from atop.results import released
    from atop.results.verify import verify

    found = verify(options.files or sorted(released.FOLDER.glob("*.jsonl")))
    for file, count in found.counts.items():
        print(f"{file}: {count} records")
    for name in found.unread:
        print(f"labels of {name} were held against each other only: `atop fetch --dataset {name}`")
    print(*found.problems, sep="\n", end="\n" if found.problems else "")
    if found.problems:
        raise AtopError(f"not verified: {len(found.problems)} of these are wrong")
    print("verified")


def benchmarks(options: Namespace) -> None:
    """Print what was measured of speed, or put it into a page that has a place for it."""
    from atop.reporting import benchmarks

    if options.page:
        benchmarks.update(options.page)
        print(options.page)
    else:
        print(benchmarks.markdown(), end="")
