"""Commands that are stages of the workflow: training, attacks, evaluation."""

from argparse import Namespace

from atop.commands.arguments import (
    AddCommand,
    add_cell,
    add_machine,
    add_overrides,
    device_of,
    run_stage,
)


def add(command: AddCommand) -> None:
    """Add the commands of this file."""
    add_machine(command("device", device))
    parser = command("classifier", classifier)
    parser.add_argument("--dataset", required=True, help="a name of datasets.yaml")
    parser.add_argument("--classifier", required=True, help="a row of classifiers.yaml")
    add_machine(parser)
    parser = command("pretrain", pretrain)
    parser.add_argument("--dataset", required=True, help="a name of datasets.yaml")
    parser.add_argument("--purifier", required=True, help="a member of atop/method/purifiers/")
    add_machine(parser)
    parser = command("finetune", finetune)
    add_cell(parser)
    add_machine(parser)
    parser = command("attack", attack)
    parser.add_argument("--attack", required=True, help="a row of workflow/config/attacks.yaml")
    add_cell(parser)
    add_machine(parser)
    parser = command("evaluate", evaluate)
    parser.add_argument("--suite", required=True, help="a suite of workflow/config/attacks.yaml")
    add_cell(parser)
    add_machine(parser)
    add_overrides(parser, "target")
    parser = command("images", images)
    parser.add_argument("--attack", required=True, help="of the set made on the bare classifier")
    add_cell(parser)
    add_machine(parser)


def device(options: Namespace) -> None:
    """Print the device of a preset, or why the preset does not run here."""
    print(f"preset {options.preset} runs on {device_of(options)}")


def classifier(options: Namespace) -> None:
    """Train a classifier and print its accuracy."""
    from atop.core.files import read_json
    from atop.experiment.stages.training import TrainClassifier

    path = run_stage(TrainClassifier, options, "dataset", "classifier")
    accuracy = read_json(path.with_suffix(".json"))["test"]
    print("{value:.1f}% [{low:.1f}, {high:.1f}] of {n} test images".format(**accuracy))
    print(path)


def pretrain(options: Namespace) -> None:
    """Pretrain a purifier from scratch with L_org."""
    from atop.experiment.stages.finetuning import Pretrain

    print(run_stage(Pretrain, options, "dataset", "purifier"))


def finetune(options: Namespace) -> None:
    """Fine-tune a cell's purifier (the L_org stage, AToP, or a control) or its classifier."""
    from atop.experiment.cells import Cell
    from atop.experiment.stages.finetuning import Finetune, Tune

    of_classifier = Cell.parse(options.cell).finetune == "classifier"
    print(run_stage(Tune if of_classifier else Finetune, options, "cell"))


def attack(options: Namespace) -> None:
    """Make an adversarial set on a cell."""
    from atop.experiment.stages.attack import Attack

    print(run_stage(Attack, options, "cell", "attack"))


def evaluate(options: Namespace) -> None:
    """Classify a suite's adversarial sets with a cell and write its record."""
    from atop.experiment.stages.evaluation import Evaluate

    print(run_stage(Evaluate, options, "cell", "suite", "target"))


def images(options: Namespace) -> None:
    """Store a few test images, clean and adversarial, at each step through a cell's defence."""
    from atop.experiment.stages.evaluation import TraceImages

    print(run_stage(TraceImages, options, "cell", "attack"))
