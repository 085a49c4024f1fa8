"""RobustBench as it is imported here: measures a network, and has AutoAttack in it."""

import pytest
import torch
from torch import nn

from atop.method.robustbench_library import AutoAttack, robustbench


def test_robustbench_imports_and_measures_a_network(classifier: nn.Module) -> None:
    bench = robustbench()
    x, y = torch.rand(8, 3, 32, 32), torch.arange(8)
    y[:4] = classifier(x).argmax(1)[:4]
    expected = (classifier(x).argmax(1) == y).float().mean().item()
    assert bench.utils.clean_accuracy(classifier, x, y) == pytest.approx(expected)
    assert bench.eval.AutoAttack is AutoAttack


def test_the_old_signature_attacks(classifier: nn.Module) -> None:
    x = torch.rand(4, 3, 32, 32)
    y = classifier(x).argmax(1).detach()
    attack = AutoAttack(
        classifier, norm="Linf", eps=0.3, version="custom", attacks_to_run=["apgd-ce"], seed=0
    )
    attack.apgd.n_iter, attack.apgd.n_restarts = 10, 1
    x_adv = attack.run_standard_evaluation(x, y, bs=2)
    assert (x_adv - x).abs().max() <= 0.3 + 1e-6
    assert (classifier(x_adv).argmax(1) != y).any()


def test_a_log_path_is_refused_rather_than_ignored(classifier: nn.Module) -> None:
    with pytest.raises(ValueError, match="log_path"):
        AutoAttack(classifier, log_path="log.txt")
