"""Commands that fetch data and public weights."""

from argparse import Namespace
from pathlib import Path

from atop.commands.arguments import AddCommand, add_folder, add_overrides
from atop.core.errors import AtopError


def add(command: AddCommand) -> None:
    """Add the commands of this file."""
    parser = command("fetch", fetch)
    parser.add_argument("--dataset", required=True, help="a name of workflow/config/datasets.yaml")
    add_folder(parser)
    parser = command("pack", pack)
    parser.add_argument("dataset", help="a name of workflow/config/datasets.yaml")
    parser.add_argument("--out", type=Path, required=True, help="folder; NAME/ is made in it")
    parser = command("checkpoint", checkpoint)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="a row of workflow/config/checkpoints.yaml")
    which.add_argument("--file", help="its path under results/checkpoints/ instead")
    add_folder(parser)
    parser = command("prefetch", prefetch)
    parser.add_argument("table", help="such as table2")
    parser.add_argument("--preset", default="paper", help="paper (default), native or smoke")
    parser.add_argument("--list", action="store_true", help="fetch nothing, list what is here")
    add_overrides(parser, "init", "extras")
    add_folder(parser)
    parser = command("checkpoints", checkpoints)
    parser.add_argument("what", choices=["list", "verify"], help="what to do")


def fetch(options: Namespace) -> None:
    """Fetch a dataset, verify its pixels, store it in results/data/."""
    from atop.pipeline.datasets import doubt, fetch

    about = fetch(options.dataset, folder=options.folder, offline=options.offline)
    if warning := doubt(about):
        print(warning)
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
    """Fetch all data and public weights that a table needs, or list them."""
    from atop.experiment import presets, tables, validate
    from atop.pipeline import prefetch

    preset = presets.get(options.preset)
    table = tables.table(options.table, preset, init=options.init, extras=options.extras)
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
