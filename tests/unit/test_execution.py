"""How networks are run: number formats, recomputation, and a loop that does not wait."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from support.parts import TINY_DMAE, atop_term, gradient, random_transform
from torch import Tensor, nn

from atop.core.execution import FLOAT32, Compute, recompute
from atop.core.randomness import Randomness
from atop.data.dataset import Dataset, Split
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.presets import PurifierTraining
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.finetuning import Pretrain, finetuning
from atop.experiment.stages.stage import Stage
from atop.experiment.stages.training import TrainClassifier
from atop.method.purifiers import deepfill, dmae
from atop.method.transforms import tokens
from atop.pipeline import assemble
from atop.pipeline.attacking.runner import AttackRunner
from atop.pipeline.training import parts as of_config
from atop.pipeline.training.purifier import PurifierTrainer

Change = Callable[[str, dict[str, Any]], None]
CPU = torch.device("cpu")
BUDGET = PurifierTraining(
    images=800, batch=8, lr=1e-3, betas=(0.5, 0.999), weight_decay=0, schedule="constant", clip=None
)
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
HALF = Compute(precision="bfloat16", channels_last=True)
KINDS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "deepfill": (lambda: deepfill.build(width=8), random_transform("rt2")),
    "dmae": (
        lambda: dmae.build(**TINY_DMAE),
        tokens.build(grid=8, missing_rate=0.25, sigma=0.25, noise_pixels=32),
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(cifar_slice: Dataset, classifier: nn.Module) -> Callable[..., PurifierTrainer]:
    """AToP stages that start from the same weights, run as they are told."""

    def stage(kind: str, compute: Compute = FLOAT32, **budget: Any) -> PurifierTrainer:
        build, transform = KINDS[kind]
        torch.manual_seed(0)
        recipe = presets.get("paper").recipe(CELL)
        of_recipe = {"recipe": recipe.given(), "discriminator_width": 4}
        losses = {"deepfill": lambda: deepfill.build_loss(**of_recipe)}
        return PurifierTrainer(
            purifier=build(),
            loss=losses.get(kind, dmae.MaeLoss)(),
            transforms=[transform],
            data=cifar_slice.train.take(slice(0, 20)),
            input_size=32,
            resize=lambda x: x,
            recipe=recipe,
            budget=BUDGET.model_copy(update=budget),
            seed=0,
            stream="test",
            classification=atop_term(classifier),
            compute=compute,
        )

    return stage


def dtypes(network: nn.Module, kind: type[nn.Module]) -> list[torch.dtype]:
    """What modules of a kind put out from now on."""
    found: list[torch.dtype] = []
    for one in network.modules():
        if isinstance(one, kind):
            one.register_forward_hook(lambda *args: found.append(args[2].dtype))
    return found


def test_a_bfloat16_step_learns_the_same_and_keeps_images_and_losses_in_float32(
    make: Callable[..., PurifierTrainer], kind: str
) -> None:
    plain, half = make(kind), make(kind, HALF)
    inner = dtypes(half.purifier, nn.Conv2d if kind == "deepfill" else nn.Linear)
    judged = dtypes(half.loss, nn.Conv2d)
    images = half.purifier.stages(torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32))
    assert {one.dtype for one in images} == {torch.float32}
    inner.clear()
    found, expected = half.step(0), plain.step(0)
    assert torch.bfloat16 in inner
    assert inner[-1] == torch.float32  # the image's own layer
    assert set(judged) <= {torch.float32}
    assert {one.dtype for one in half.purifier.parameters()} == {torch.float32}
    for name, value in expected.items():
        assert found[name].dtype == torch.float32
        assert found[name].item() == pytest.approx(value.item(), rel=0.05, abs=0.01)
    off = (gradient(half) - gradient(plain)).norm() / gradient(plain).norm()
    assert 1e-5 < off < 0.2


def test_attention_compares_patches_in_float32_under_autocast() -> None:
    attention = deepfill.Generator(8).stage2.contextual_attention
    features = torch.rand(2, 16, 8, 8) * 30  # scores in the thousands
    mask = torch.zeros(2, 1, 32, 32)
    weigh, seen = attention._weights, []
    attention._weights = lambda *parts: seen.append(weigh(*parts)) or seen[-1]
    attention(features, mask)
    with HALF.autocast(CPU):
        assert attention(features, mask).isfinite().all()
    assert torch.equal(*seen)


@contextmanager
def kept(sizes: list[int]) -> Iterator[None]:
    """Bytes that backward passes keep, each storage once."""
    held = {}

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage._cdata not in held:
            held[storage._cdata] = storage  # kept alive, so that no other takes its place
            sizes.append(storage.nbytes())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        yield


def test_recomputing_gives_the_same_gradient_for_less_memory(
    make: Callable[..., PurifierTrainer], kind: str
) -> None:
    x, mask = torch.rand(8, 3, 32, 32), torch.zeros(8, 1, 32, 32)
    memory, told, slopes = [], [], []
    for compute in (FLOAT32, Compute(recompute=True)):
        stage, sizes = make(kind, compute), []
        with kept(sizes):
            stage.purifier.stages(x, mask)
        memory.append(sum(sizes))
        told.append({name: value.item() for name, value in stage.step(0).items()})
        slopes.append(gradient(stage))
    assert told[0] == told[1]
    assert torch.equal(*slopes)
    assert memory[1] < 0.5 * memory[0]


def test_recomputing_can_be_switched_on_once() -> None:
    network = deepfill.build(width=8)
    assert recompute(network)
    assert not recompute(network)
    assert not recompute(nn.Conv2d(1, 1, 1))


def test_only_inside_the_block_may_a_gpu_round() -> None:
    def state() -> tuple[str, str]:
        backends = torch.backends
        return backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision

    before = state()
    with Compute(precision="tf32").arithmetic():
        assert state() == ("tf32", "tf32")
        with FLOAT32.arithmetic():
            assert state() == ("ieee", "ieee")
        assert state() == ("tf32", "tf32")
        with HALF.arithmetic():
            assert state() == ("tf32", "tf32")
    assert state() == before


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_purifier_takes_the_same_step(make: Callable[..., PurifierTrainer]) -> None:
    plain, fused = make("dmae"), make("dmae", Compute(compile=True))
    names = list(plain.purifier.state_dict())
    assert list(fused.purifier.state_dict()) == names
    for number in range(2):
        expected, found = plain.step(number), fused.step(number)
        for name, value in expected.items():
            assert found[name].item() == pytest.approx(value.item(), rel=1e-3, abs=1e-4)
    assert "stages" in vars(fused.purifier)


def test_in_parts_the_discriminator_learns_from_the_whole_batch(
    make: Callable[..., PurifierTrainer],
) -> None:
    """Detached, so that g does not feel who judges; the two then take the same step."""
    made = [make("deepfill", parts=parts) for parts in (1, 4)]
    for stage in made:
        stage.loss.gan = "detached"
        for one in stage.loss.modules():  # a forward pass is a power iteration, and four are four
            one.eval()
    before = deepcopy(made[0].loss.state_dict())
    whole, parts = (stage.step(0) for stage in made)
    for name, value in whole.items():
        if name != "gan":  # judged before that step, not after
            assert parts[name].item() == pytest.approx(value.item(), rel=1e-4)
    torch.testing.assert_close(gradient(made[1]), gradient(made[0]), rtol=1e-3, atol=1e-6)
    learned = [stage.loss.state_dict() for stage in made]
    weights = [name for name in before if "original" in name or name.endswith("weight")]
    assert weights
    for name in weights:
        assert not torch.equal(learned[0][name], before[name])
        torch.testing.assert_close(learned[1][name], learned[0][name], rtol=0, atol=2e-4)


class Waiting(torch.overrides.TorchFunctionMode):
    """Notes tensors that are made on the host and copied, which waits for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        of_host = (torch.tensor, torch.as_tensor, torch.from_numpy)
        moved = isinstance(out, Tensor) and any(
            isinstance(one, Tensor) and one.device != out.device and one.dim() for one in args
        )
        if function in of_host or moved:
            self.found.append(getattr(function, "__name__", str(function)))
        return out


@pytest.mark.parametrize("transform", ["rt1", "rt2", "rt3"])
def test_a_step_of_preset_paper_waits_for_nothing_and_fits_a_small_card(
    change: Change, transform: str
) -> None:
    """On tensors without data: whoever asks for a value, or moves one, is found out."""
    change("presets/paper", {"compute": {"train": {"precision": "float32"}}})
    cell = Cell(
        dataset="cifar10", classifier="resnet18", purifier="deepfill", transform=transform,
        finetune="adversarial",
    )  # fmt: skip
    sizes: list[int] = []
    with torch.device("meta"):
        stage = whole_stage(cell)
    stage.step(0)  # in which Adam makes its moments
    with Waiting() as waiting, kept(sizes):
        stage.step(1)
    assert waiting.found == []
    assert 2**32 < sum(sizes) < 20 * 2**30  # a card of 24 GB has room for weights beside


def whole_stage(cell: Cell) -> PurifierTrainer:
    """A cell's AToP stage in preset paper, with random weights, on the default device."""
    paper, images = presets.get("paper"), torch.zeros(64, 32, 32, 3, dtype=torch.uint8)
    network = assemble.purifier(paper, cell.purifier)
    f = assemble.classifier(cell.dataset, cell.classifier).eval().requires_grad_(False)
    bare = assemble.join(paper, cell.bare, assemble.purifier(paper, "identity"), f)
    whole = assemble.join(paper, cell, network, f)
    return of_config.purifier_trainer(
        paper,
        cell,
        network,
        Split(images, torch.zeros(64, dtype=torch.int64), torch.arange(64)),
        budget=paper.finetuning(cell),
        stream="meta",
        classification=of_config.classification(paper, cell, whole, bare),
    )


def test_whoever_waits_is_found_out() -> None:
    x = torch.zeros(3, device="meta")
    with Waiting() as waiting:
        torch.as_tensor(5, device="meta")
        torch.arange(3).to("meta")
        x[torch.arange(2)]
    assert waiting.found == ["as_tensor", "to", "__getitem__"]
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        x.sum().item()


def test_how_networks_are_run_is_part_of_what_a_result_is_known_by(change: Change) -> None:
    kinds: dict[str, list[Callable[[Preset], Stage]]] = {
        "train": [
            lambda smoke: finetuning(smoke, CELL),
            lambda smoke: Pretrain.of(smoke, "cifar10_slice", "deepfill"),
            lambda smoke: TrainClassifier(preset=smoke, cell=CELL.bare),
        ],
        "attack": [lambda smoke: Attack(preset=smoke, cell=CELL, attack="pgd-10")],
    }

    def fingerprints() -> dict[str, list[str]]:
        smoke = presets.get("smoke")
        return {what: [stage(smoke).fingerprint for stage in made] for what, made in kinds.items()}

    before = fingerprints()
    change("presets/smoke", {"compute": {}})
    for what, other in (("train", "attack"), ("attack", "train")):
        change("presets/smoke", {"compute": {what: {"precision": "bfloat16"}, other: ...}})
        now = fingerprints()
        assert not set(now[what]) & set(before[what])
        assert now[other] == before[other]


def test_attacks_may_be_coarse_and_their_judge_is_not(
    change: Change, workdir: Path, cifar_slice: Dataset, classifier: nn.Module
) -> None:
    change("presets/smoke", {"compute": {"attack": {"precision": "bfloat16"}}})
    attack = Attack(preset=presets.get("smoke"), cell=CELL.bare, attack="pgd-10")
    runner = AttackRunner(attack, CPU)
    x = cifar_slice.test.take(slice(0, 4))
    draws = Randomness(0, "test", x.index)
    target, judged = (each(x.inputs(32), draws) for each in (runner.target, runner.judged))
    exact = classifier(x.inputs(32))
    assert torch.equal(judged, exact)
    assert not torch.equal(target, exact)
    torch.testing.assert_close(target, exact, rtol=0.05, atol=0.1)
    assert target.dtype == torch.float32
