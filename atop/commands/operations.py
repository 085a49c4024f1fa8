"""Commands around the workflow: what it costs, a run of limited time, embedded files."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from atop.commands.arguments import (
    AddCommand,
    add_overrides,
    device_of,
    minutes,
    positive,
    table_of,
)


def add(command: AddCommand) -> None:
    """Add the commands of this file."""
    one = command("cost", cost)
    one.add_argument("table", help="such as table7, or all")
    one.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    one.add_argument("--threads", type=positive, help="CPU threads a job; the preset's by default")
    one.add_argument("--allow-cpu", action="store_true", help="of a GPU preset on the CPU")
    one.add_argument("--no-calibration", action="store_true", help="measure nothing")
    one.add_argument("--device", help="not this one: DEVICE of a calibration-DEVICE.json")
    add_overrides(one, "extras", "init", "recipe", "seed", "target")
    one = command("spend", spend)
    one.add_argument("minutes", type=minutes, help="such as 9, or 0.5")
    one.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    one.add_argument("--threads", type=positive, help="CPU threads; the preset's by default")
    one.add_argument("--allow-cpu", action="store_true", help="run a GPU preset on the CPU")
    one.add_argument("--folder", type=Path, help="of data and weights, searched two deep")
    one.add_argument(
        "--bundles", type=Path, help="folder of tar files: unpacked before, written after"
    )
    one.add_argument("--list", action="store_true", help="do nothing, say what is next")
    command("embed", embed)


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
    tables = [table_of(name, options) for name in names]
    threads = options.threads or config.preset(options.preset).threads
    if options.device:
        machine = machines.named(options.device, threads)
    elif config.preset(options.preset).device == "cpu":
        machine = machines.cpu(threads)
    else:
        machine = machines.of(device_of(options), threads)
    jobs, rates, failed = steps.of_tables(tables), Rates(machine), {}
    passes = list(estimates.passes(jobs))
    wanted = not (options.no_calibration or options.device)
    if wanted and (rates.lacking(passes) or rates.start is None):
        from atop.operations.cost.calibration import calibrate

        options.threads = machine.threads
        failed = calibrate(rates, passes, device_of(options))
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
    options.threads = options.threads or config.preset(options.preset).threads
    options.allow_cpu |= options.list  # which there is without a GPU too
    device = device_of(options)
    queue = Queue(options.preset, machines.of(device, options.threads), options.folder)
    if options.list:
        print(*summary.listing(queue), sep="\n")
        return
    say = partial(print, flush=True)
    code = call.spend(queue, device=device, moment=moment, folder=options.bundles, say=say)
    if code:
        raise SystemExit(code)


def embed(options: Namespace) -> None:
    """Put the slice of CIFAR-10 and the small networks into workflow/resources/."""
    from atop.operations import embed_resources

    for path, digest in embed_resources.install().items():
        print(f"{digest}  {path}")
