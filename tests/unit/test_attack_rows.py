"""Rows of attacks.yaml that stand for several."""

from typing import Any

import pytest

from atop.core.errors import AtopError
from atop.experiment.attack_rows import expand

CHAINS = {"two": [{"attack": "a", "steps": 9, "eot": 1}, {"attack": "b", "queries": 50}]}


def expanded(**rows: Any) -> dict[str, Any]:
    content = {"chains": CHAINS, "attacks": rows, "suites": {"s": {}}}
    made = expand(content, where="attacks.yaml")
    assert made.keys() == {"attacks", "suites"}
    return made["attacks"]


def test_each_link_of_a_chain_goes_on_from_the_one_before() -> None:
    row = {"chain": "two", "method": "autoattack", "after": "clean", "judge": 20}
    assert expanded(aa=row) == {
        "aa-1": {
            "method": "autoattack", "attack": "a", "steps": 9, "eot": 1, "after": "clean",
            "judge": 20,
        },
        "aa": {
            "method": "autoattack", "attack": "b", "queries": 50, "after": "aa-1", "judge": 20,
        },
    }  # fmt: skip


def test_a_key_of_the_row_is_for_the_links_that_have_it() -> None:
    rows = expanded(aa={"chain": "two", "method": "autoattack", "steps": 2, "queries": 7})
    assert (rows["aa-1"]["steps"], rows["aa"]["queries"]) == (2, 7)
    assert "queries" not in rows["aa-1"]
    assert "steps" not in rows["aa"]


def test_a_sweep_has_a_row_for_each_value() -> None:
    assert expanded(conv={"sweep": {"eps": ["2/255", "16/255"]}, "method": "pgd"}) == {
        "conv-2": {"method": "pgd", "eps": "2/255"},
        "conv-16": {"method": "pgd", "eps": "16/255"},
    }
    assert list(expanded(eot={"sweep": {"eot": [1, 5]}, "method": "pgd"})) == ["eot-1", "eot-5"]


def test_a_mistake_names_its_row() -> None:
    with pytest.raises(
        AtopError, match=r"attacks\.yaml: attacks\.aa\.chain: no 'three'; known .* two"
    ):
        expanded(aa={"chain": "three", "method": "autoattack"})
    with pytest.raises(AtopError, match=r"attacks\.eot: another row is called 'eot-1' already"):
        expanded(**{"eot-1": {"method": "pgd"}, "eot": {"sweep": {"eot": [1]}, "method": "pgd"}})
