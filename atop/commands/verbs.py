"""What each verb calls.

Imports are inside, so that `table` needs no torch and `--help` is quick.
"""

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from atop.core.errors import AtopError

if TYPE_CHECKING:
    import torch

    from atop.experiment.tables import Table


def _device(options: Namespace) -> "torch.device":
    import torch

    from atop.pipeline import assemble

    # A peaked attention has subnormal weights, which slow a CPU down up to eight times.
    torch.set_flush_denormal(True)
    if options.threads:
        torch.set_num_threads(options.threads)
    return assemble.device(options.preset, allow_cpu=options.allow_cpu)


def _table(name: str, options: Namespace) -> "Table":
    from atop.experiment import tables, validate

    words = {
        word: getattr(options, word) for word in ("target", "init", "recipe", "seed", "extras")
    }
    made = tables.table(name, options.preset, **words)
    validate.check_table(made)
    return made


def fetch(options: Namespace) -> None:
    """Fetch a dataset, verify its pixels, store it in results/data/."""
    from atop.pipeline.datasets import doubt, fetch

    about = fetch(options.dataset, folder=options.folder, offline=options.offline)
    if said := doubt(about):
        print(said)
    print(about)


def pack(options: Namespace) -> None:
    """Write a fetched dataset as lossless mosaics, which travel in parts and `files` reads."""
    from atop.operations.pack_dataset import pack

    for path in pack(options.dataset, options.out):
        print(f"{path.stat().st_size / 2**20:6.1f} MiB  {path}", flush=True)


def checkpoint(options: Namespace) -> None:
    """Fetch public weights, verify them, store them in results/checkpoints/."""
    from atop.pipeline.checkpoints import download

    name = options.name or download.named(options.file)
    print(download.fetch(name, folder=options.folder, offline=options.offline))


def checkpoints(options: Namespace) -> None:
    """List the public weights of checkpoints.yaml, or verify those that are here."""
    from atop.pipeline.checkpoints import inventory

    print(inventory.listing() if options.what == "list" else inventory.verify())


def prefetch(options: Namespace) -> None:
    """Fetch all that a table needs, data and public weights, or list it."""
    from atop.experiment import tables, validate
    from atop.pipeline import prefetch

    table = tables.table(options.table, options.preset, init=options.init, extras=options.extras)
    validate.check_table(table)
    if options.folder and not options.folder.is_dir():
        raise AtopError(f"{options.folder}: no such folder; correct --folder")
    failed = []
    for need in prefetch.needs(table):
        if not (need.path.exists() or options.list):
            try:
                prefetch.fetch(need, folder=options.folder, offline=options.offline)
            except AtopError as error:
                failed.append(str(error))
        where = prefetch.where(need, options.folder)
        print(f"{where:9}  {need.kind:7}  {need.size:>8}  {need.name}", flush=True)
    if failed:
        raise AtopError(f"{len(failed)} of its files are missing: {' | '.join(failed)}")


def device(options: Namespace) -> None:
    """Say what a preset would run on, or why it does not run here."""
    print(f"preset {options.preset} runs on {_device(options)}")


def classifier(options: Namespace) -> None:
    """Train a classifier and say how accurate it is."""
    from atop.core.files import read_json
    from atop.pipeline.training import jobs

    chosen = _device(options)
    out = jobs.classifier(options.preset, options.dataset, options.classifier, device=chosen)
    found = read_json(out.with_suffix(".json"))["test"]
    print("{value:.1f}% [{low:.1f}, {high:.1f}] of {n} test pictures".format(**found))
    print(out)


def pretrain(options: Namespace) -> None:
    """Pretrain a purifier from scratch with L_org."""
    from atop.pipeline.training import jobs

    chosen = _device(options)
    print(jobs.pretrain(options.preset, options.dataset, options.purifier, device=chosen))


def finetune(options: Namespace) -> None:
    """Make a cell's purifier: the L_org stage, AToP, or a control."""
    from atop.experiment import validate
    from atop.pipeline.training import jobs

    cell, chosen = validate.parse(options.cell, options.preset), _device(options)
    print(jobs.finetune(options.preset, cell, device=chosen))


def attack(options: Namespace) -> None:
    """Make an adversarial set on a cell."""
    from atop.experiment import validate
    from atop.pipeline.attacking.adversarial_sets import make_adversarial

    cell, chosen = validate.parse(options.cell, options.preset), _device(options)
    print(make_adversarial(options.preset, cell, options.attack, device=chosen))


def evaluate(options: Namespace) -> None:
    """Classify a suite's adversarial sets with a cell and write its record."""
    from atop.experiment import config, validate
    from atop.pipeline.evaluation.evaluate import evaluate

    cell, chosen = validate.parse(options.cell, options.preset), _device(options)
    target = options.target or config.suite(options.suite, options.preset)["target"]
    print(evaluate(options.preset, cell, options.suite, target, device=chosen))


def pictures(options: Namespace) -> None:
    """Store what a cell's defence makes of a few test pictures, clean and under an attack."""
    from atop.experiment import validate
    from atop.pipeline.evaluation.trace_images import make

    cell, chosen = validate.parse(options.cell, options.preset), _device(options)
    print(make(options.preset, cell, options.attack, device=chosen))


def table(options: Namespace) -> None:
    """Render a table from the records that exist, beside the paper's numbers."""
    from atop.experiment import paths
    from atop.reporting.render import render

    out, made = options.out or paths.place(options.preset), _table(options.table, options)
    for path in render(table=made, results=options.results or paths.RESULTS, out=out):
        print(path)


def release(options: Namespace) -> None:
    """Put a table's records into results/released/TABLE.jsonl, in place of older ones."""
    from atop.experiment import paths
    from atop.results import released

    made, file = _table(options.table, options), released.file(options.table)
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


def plot(options: Namespace) -> None:
    """Draw the figure of a rendered table, curves or bars, from its CSV."""
    from atop.reporting.figures import plot

    plot(options.data, options.out)
    print(*options.out, sep="\n")


def cost(options: Namespace) -> None:
    """Say what a table costs before it is made, cell by cell, and what it took afterwards.

    Hours of one device, its memory, and disk. What is not known yet of this device's speed is
    measured first, pass by pass and for a few seconds each, with random weights on made-up
    pictures; it is kept in results/benchmarks/calibration-DEVICE.json.
    """
    from atop.experiment import config, steps
    from atop.operations.cost import estimates, machines, summary
    from atop.operations.cost.rates import Rates

    names = config.tables() if options.table == "all" else [options.table]
    tables = [_table(name, options) for name in names]
    threads = options.threads or config.preset(options.preset)["threads"]
    if options.device:
        machine = machines.named(options.device, threads)
    elif config.preset(options.preset)["device"] == "cpu":
        machine = machines.cpu(threads)
    else:
        machine = machines.of(_device(options), threads)
    jobs, rates, failed = steps.of_tables(tables), Rates(machine), {}
    passes = list(estimates.passes(jobs))
    wanted = not (options.no_calibration or options.device)
    if wanted and (rates.lacking(passes) or rates.start is None):
        from atop.operations.cost.calibration import calibrate

        options.threads = machine.threads
        failed = calibrate(rates, passes, _device(options))
    print(summary.text(tables, [estimates.estimate(one, rates) for one in jobs], rates, failed))


def spend(options: Namespace) -> None:
    """Spend some minutes of this machine on whatever is next; call it again and it goes on.

    What is next says workflow/config/queue.yaml. What runs when the minutes are up is stopped, at
    most ten seconds later, and goes on where it was: a training after its last step, an attack
    after its last batch. Nothing is downloaded.
    """
    import time

    moment = time.monotonic() + 60 * options.minutes
    from atop.experiment import config, validate
    from atop.operations.cost import machines
    from atop.operations.timed_run import call, summary
    from atop.operations.timed_run.queue import Queue

    validate.check_queue(options.preset)
    options.threads = options.threads or config.preset(options.preset)["threads"]
    options.allow_cpu |= options.list  # which there is without a GPU too
    device = _device(options)
    queue = Queue(options.preset, machines.of(device, options.threads), options.folder)
    if options.list:
        print(*summary.listing(queue), sep="\n")
        return
    say = partial(print, flush=True)
    code = call.spend(queue, device=device, moment=moment, folder=options.bundles, say=say)
    if code:
        raise SystemExit(code)


def draw(options: Namespace) -> None:
    """Draw a grid of stored pictures, as PNG, PDF and SVG, and say in JSON what it shows."""
    from atop.experiment import image_grids, paths
    from atop.reporting.image_grids import drawing

    words = {name: getattr(options, name) for name in ("init", "recipe", "seed")}
    made = image_grids.grid(options.figure, options.preset, **words)
    out = options.out or paths.place(options.preset)
    for path in drawing.draw(made, results=options.results or paths.RESULTS, out=out):
        print(path)


def report(options: Namespace) -> None:
    """Make the one page of a preset, from the records and figures that exist."""
    from atop.experiment import config, paths
    from atop.reporting.report.making import report

    names = sorted(config.tables(), key=lambda name: not name.startswith("table"))
    out = options.out or paths.place(options.preset)
    made = [_table(name, options) for name in names]  # the paper's, then all others
    print(report(tables=made, results=options.results or paths.RESULTS, out=out))


def benchmarks(options: Namespace) -> None:
    """Print what was measured of speed, or put it into a page that has a place for it."""
    from atop.reporting import benchmarks

    if options.page:
        benchmarks.update(options.page)
        print(options.page)
    else:
        print(benchmarks.markdown(), end="")


def embed(options: Namespace) -> None:
    """Put the slice of CIFAR-10 and the small networks into workflow/resources/."""
    from atop.operations import embed_resources

    for path, digest in embed_resources.install().items():
        print(f"{digest}  {path}")
