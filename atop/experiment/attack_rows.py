"""Rows of attacks.yaml that are several attacks: chains, and sweeps of one number."""

from collections.abc import Iterator

from atop.core.errors import AtopError
from atop.core.values import Dict


def expand(content: Dict, *, where: str) -> Dict:
    """attacks.yaml with each chain and each sweep written out.

    Raises:
        AtopError: a row names an unknown chain, or two rows have one name.
    """
    rows: Dict = {}
    for name, row in content["attacks"].items():
        for each, budget in _rows(name, row, content.get("chains", {}), where):
            if each in rows:
                raise AtopError(f"{where}: attacks.{name}: another row is called '{each}' already")
            rows[each] = budget
    return {"attacks": rows, "suites": content["suites"]}


def _rows(name: str, row: Dict, chains: Dict, where: str) -> Iterator[tuple[str, Dict]]:
    if "chain" in row:
        if row["chain"] not in chains:
            known = ", ".join(chains)
            raise AtopError(
                f"{where}: attacks.{name}.chain: no '{row['chain']}'; known are {known}"
            )
        yield from _chain(name, row, chains[row["chain"]])
    elif "sweep" in row:
        yield from _sweep(name, row)
    else:
        yield name, row


def _chain(name: str, row: Dict, links: list[Dict]) -> Iterator[tuple[str, Dict]]:
    """NAME-1, NAME-2, ..., NAME, each after the one before.

    A key of the row replaces that of its links; a key that no link has is for all of them.
    """
    own = {key for link in links for key in link}
    shared = {key: value for key, value in row.items() if key not in (*own, "chain")}
    for number, link in enumerate(links, 1):
        budget = {**link, **{key: row[key] for key in link if key in row}, **shared}
        last = number == len(links)
        if number > 1:
            budget["after"] = f"{name}-{number - 1}"
        yield (name if last else f"{name}-{number}"), budget


def _sweep(name: str, row: Dict) -> Iterator[tuple[str, Dict]]:
    """NAME-VALUE for each value of one key; of a fraction, NAME-NUMERATOR."""
    ((key, values),) = row["sweep"].items()
    rest = {other: value for other, value in row.items() if other != "sweep"}
    for value in values:
        yield f"{name}-{str(value).partition('/')[0]}", {**rest, key: value}
