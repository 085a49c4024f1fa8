"""How attacks become jobs: one for each sub-attack, in order, on the right target."""

import pytest
from support.checkout import Checkout, Said

pytestmark = pytest.mark.slow

ATOP = "cifar10_slice-resnet_small-deepfill-scratch-rt2-adversarial-paper-s0"
CHAIN = ["aa-linf-standard-1", "aa-linf-standard-2", "aa-linf-standard-3", "aa-linf-standard"]


@pytest.fixture(scope="module")
def smoke(clean: Checkout) -> Said:
    """The plan of all tables of the smoke preset."""
    return clean.plan("--", "smoke", "tables/smoke/convergence.png")


def sets(said: Said) -> list[tuple[str, str]]:
    return [(job.wildcards["cell"], job.wildcards["attack"]) for job in said.of("attack")]


def test_sub_attacks_of_autoattack_are_jobs_in_a_row(smoke: Said) -> None:
    jobs = {
        job.wildcards["attack"]: job
        for job in smoke.of("attack")
        if job.wildcards["cell"] == ATOP and job.wildcards["attack"] in CHAIN
    }
    assert set(jobs) == set(CHAIN)
    for attack, job in jobs.items():
        before = [name for name in job.inputs if "/adversarial/" in name]
        place = CHAIN.index(attack)
        expected = [f"results/smoke/adversarial/{ATOP}/{CHAIN[place - 1]}.safetensors"]
        assert before == (expected if place else [])


def test_every_attack_of_the_config_but_the_named_extras_is_in_some_table(smoke: Said) -> None:
    planned = {attack for _, attack in sets(smoke)}
    some = "strict-bpda strict-fixed strict-square stadv-100 aa-l2-1-rand table8-10 conv-eps-128"
    assert set(some.split()) <= planned
    assert not {"official", "lee-kim-linf"} & planned


def test_transfer_sets_are_made_on_their_targets(smoke: Said) -> None:
    targets = {cell for cell, attack in sets(smoke) if attack == "strict-pgd"}
    untuned = ATOP.replace("-adversarial-", "-none-")
    bare = "cifar10_slice-resnet_small-undefended"
    assert {ATOP, bare, untuned, f"{ATOP}-no_transform", f"{ATOP}-no_noise"} <= targets
    (job,) = [job for job in smoke.of("evaluate") if f"/{ATOP}/strict-" in job.facts["output"]]
    handed = {name.split("/")[3] for name in job.inputs if name.endswith("strict-pgd.safetensors")}
    assert handed == {ATOP, bare, untuned, f"{ATOP}-no_transform"}


def test_the_control_without_a_purifier_trains_a_classifier_once(smoke: Said) -> None:
    (job,) = smoke.of("tune")
    tuned = "cifar10_slice-resnet_small-identity-none-rt2-classifier-paper-s0"
    assert job.outputs[0] == f"results/smoke/tuned/{tuned}.safetensors"
    users = [job for job in smoke.of("attack") if job.wildcards["cell"].startswith(tuned)]
    assert users
    assert all(f"results/smoke/tuned/{tuned}.safetensors" in job.inputs for job in users)


def test_named_rows_that_no_table_takes_can_be_asked_for(clean: Checkout) -> None:
    record = f"results/smoke/records/{ATOP}/official-defense.json"
    attacks = {attack for _, attack in sets(clean.plan("--", record))}
    assert attacks == {"official-1", "official-2", "official-3", "official"}
    record = f"results/smoke/records/{ATOP}/lee_kim-defense.json"
    attacks = {attack for _, attack in sets(clean.plan("--", record))}
    assert attacks == {"lee-kim-linf", "lee-kim-l2"}
