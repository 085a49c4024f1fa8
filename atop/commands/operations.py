"""Commands around the workflow: costs, timed runs, embedded files."""

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
    parser = command("cost", cost)
    parser.add_argument("table", help="such as table7, or all")
    parser.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    parser.add_argument(
        "--threads", type=positive, help="CPU threads a job; the preset's by default"
    )
    parser.add_argument("--allow-cpu", action="store_true", help="of a GPU preset on the CPU")
    parser.add_argument("--no-calibration", action="store_true", help="measure nothing")
    parser.add_argument("--device", help="another device: DEVICE of a calibration-DEVICE.json")
    add_overrides(parser, "extras", "init", "recipe", "seed", "target")
    parser = command("timed-run", timed_run)
    parser.add_argument("minutes", type=minutes, help="such as 9, or 0.5")
    parser.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    parser.add_argument("--threads", type=positive, help="CPU threads; the preset's by default")
    parser.add_argument("--allow-cpu", action="store_true", help="run a GPU preset on the CPU")
    parser.add_argument("--folder", type=Path, help="of data and weights, searched two deep")
    parser.add_argument(
        "--archives", type=Path, help="folder of tar files: unpacked before, written after"
    )
    parser.add_argument("--list", action="store_true", help="run nothing, list the next tasks")
    parser = command("weights", weights)
    parser.add_argument("action", choices=("release", "restore"))
    parser.add_argument("--preset", required=True, help="such as slim")
    command("embed", embed)


def cost(options: Namespace) -> None:
    """Print the cost of a table before it is made, cell by cell, and its true cost afterwards.

    Hours of one device, memory, and disk. Unknown speeds of this device are measured first, for a
    few seconds each, with random weights on random images, and kept in
    results/benchmarks/calibration-DEVICE.json.
    """
    from atop.experiment import config, presets
    from atop.experiment.stages import plan
    from atop.operations.cost import estimates, machines, summary
    from atop.operations.cost.rates import Rates

    names = config.tables() if options.table == "all" else [options.table]
    tables = [table_of(name, options) for name in names]
    settings = presets.get(options.preset).settings
    threads = options.threads or settings.threads
    if options.device:
        machine = machines.named(options.device, threads)
    elif settings.device == "cpu":
        machine = machines.cpu(threads)
    else:
        machine = machines.of(device_of(options), threads)
    stages, rates, failed = plan.of_tables(tables), Rates(machine), {}
    operations = list(estimates.operations(stages))
    calibrated = not (options.no_calibration or options.device)
    if calibrated and (rates.unknown(operations) or rates.start is None):
        from atop.operations.cost.calibration import calibrate

        options.threads = machine.threads
        failed = calibrate(rates, operations, device_of(options))
    costs = [estimates.estimate(stage, rates) for stage in stages]
    print(summary.text(tables, costs, rates, failed))


def timed_run(options: Namespace) -> None:
    """Run the next tasks of the queue for some minutes; call it again and it goes on.

    workflow/config/queue.yaml has the order. The task that runs when the time is up is stopped, at
    most ten seconds later, and goes on in the next call: a training after its last step, an attack
    after its last batch. Nothing is downloaded.
    """
    import time

    moment = time.monotonic() + 60 * options.minutes
    from atop.experiment import presets, validate
    from atop.operations.cost import machines
    from atop.operations.timed_run import call, summary
    from atop.operations.timed_run.queue import Queue

    preset = presets.get(options.preset)
    validate.check_queue(preset)
    options.threads = options.threads or preset.settings.threads
    options.allow_cpu |= options.list  # a list needs no GPU
    device = device_of(options)
    queue = Queue(preset, machines.of(device, options.threads), options.folder)
    if options.list:
        print(*summary.listing(queue), sep="\n")
        return
    say = partial(print, flush=True)
    code = call.timed_run(queue, device=device, moment=moment, folder=options.archives, say=say)
    if code:
        raise SystemExit(code)


def weights(options: Namespace) -> None:
    """Release the weights of a preset's tables, or restore released ones to where it needs them.

    Restored weights are verified; then only attacks and evaluations are left to run.
    """
    from atop.experiment import presets
    from atop.operations import released_weights

    action = getattr(released_weights, options.action)
    copies = action(presets.get(options.preset))
    print(*copies or [f"no weights to {options.action}"], sep="\n")


def embed(options: Namespace) -> None:
    """Write the slice of CIFAR-10 and the small networks into workflow/resources/."""
    from atop.operations import embed_resources

    for path, digest in embed_resources.install().items():
        print(f"{digest}  {path}")
