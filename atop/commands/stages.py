"""Commands that are stages of the workflow: training, attacks, evaluation."""

from argparse import Namespace

from atop.commands.arguments import AddCommand, add_cell, add_machine, add_overrides, device_of


def add(command: AddCommand) -> None:
    """Add the commands of this file."""
    add_machine(command("device", device))
    one = command("classifier", classifier)
    one.add_argument("--dataset", required=True, help="a name of datasets.yaml")
    one.add_argument("--classifier", required=True, help="a row of classifiers.yaml")
    add_machine(one)
    one = command("pretrain", pretrain)
    one.add_argument("--dataset", required=True, help="a name of datasets.yaml")
    one.add_argument("--purifier", required=True, help="a member of atop/method/purifiers/")
    add_machine(one)
    one = command("finetune", finetune)
    add_cell(one)
    add_machine(one)
    one = command("attack", attack)
    one.add_argument("--attack", required=True, help="a row of workflow/config/attacks.yaml")
    add_cell(one)
    add_machine(one)
    one = command("evaluate", evaluate)
    one.add_argument("--suite", required=True, help="a suite of workflow/config/attacks.yaml")
    add_cell(one)
    add_machine(one)
    add_overrides(one, "target")
    one = command("pictures", pictures)
    one.add_argument("--attack", required=True, help="whose set made on the bare classifier")
    add_cell(one)
    add_machine(one)


def device(options: Namespace) -> None:
    """Say what a preset would run on, or why it does not run here."""
    print(f"preset {options.preset} runs on {device_of(options)}")


def classifier(options: Namespace) -> None:
    """Train a classifier and say how accurate it is."""
    from atop.core.files import read_json
    from atop.pipeline.training import jobs

    chosen = device_of(options)
    out = jobs.classifier(options.preset, options.dataset, options.classifier, device=chosen)
    found = read_json(out.with_suffix(".json"))["test"]
    print("{value:.1f}% [{low:.1f}, {high:.1f}] of {n} test pictures".format(**found))
    print(out)


def pretrain(options: Namespace) -> None:
    """Pretrain a purifier from scratch with L_org."""
    from atop.pipeline.training import jobs

    chosen = device_of(options)
    print(jobs.pretrain(options.preset, options.dataset, options.purifier, device=chosen))


def finetune(options: Namespace) -> None:
    """Make a cell's purifier: the L_org stage, AToP, or a control."""
    from atop.experiment import validate
    from atop.pipeline.training import jobs

    cell, chosen = validate.parse(options.cell, options.preset), device_of(options)
    print(jobs.finetune(options.preset, cell, device=chosen))


def attack(options: Namespace) -> None:
    """Make an adversarial set on a cell."""
    from atop.experiment import validate
    from atop.pipeline.attacking.adversarial_sets import make_adversarial

    cell, chosen = validate.parse(options.cell, options.preset), device_of(options)
    print(make_adversarial(options.preset, cell, options.attack, device=chosen))


def evaluate(options: Namespace) -> None:
    """Classify a suite's adversarial sets with a cell and write its record."""
    from atop.experiment import config, validate
    from atop.pipeline.evaluation.evaluate import evaluate

    cell, chosen = validate.parse(options.cell, options.preset), device_of(options)
    target = options.target or config.suite(options.suite, options.preset).target
    print(evaluate(options.preset, cell, options.suite, target, device=chosen))


def pictures(options: Namespace) -> None:
    """Store what a cell's defence makes of a few test pictures, clean and under an attack."""
    from atop.experiment import validate
    from atop.pipeline.evaluation.trace_images import make

    cell, chosen = validate.parse(options.cell, options.preset), device_of(options)
    print(make(options.preset, cell, options.attack, device=chosen))
