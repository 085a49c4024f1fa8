"""Records by hand for the checks: attacks by name, and how many images each leaves."""

from typing import Any

from atop.results.checks import findings

N = 100
LINF = {"norm": "Linf", "eps": "8/255"}
PGD = {"method": "pgd", **LINF, "steps": 20}
STRICT = {**PGD, "steps": 200, "eot": 20, "pixels": "native"}
SQUARE = {"method": "autoattack", "attack": "square", **LINF}
NAMED: dict[str, dict[str, Any]] = {
    "clean": {"method": "clean"},
    "fgsm": {"method": "fgsm", **LINF},
    "noise": {"method": "noise", **LINF},
    "pgd-10": {**PGD, "steps": 10},
    "pgd-20": PGD,
    "pgd-1000": {**PGD, "steps": 1000},
    "cw-100": {"method": "cw", "norm": "L2", "steps": 100},
}
Record = dict[str, Any]


def entry(
    name: str, right: int | list[int], budget: Record | None = None, *, n: int = N, **more: Any
) -> Record:
    """An attack that leaves the first examples correct, so many; a list holds one count a draw."""
    counts = right if isinstance(right, list) else [right]
    return {
        "attack": name,
        "budget": NAMED[name] if budget is None else budget,
        "predictions": [[1] * count + [0] * (n - count) for count in counts],
        "distance": {"unmoved": more.pop("unmoved", 0.0)},
        "adversarial": more or None,
    }


def record(
    *entries: Record, grey: bool = False, undefended: bool = False, n: int = N, **more: Any
) -> Record:
    """A record of these attacks, on the whole defence or, `grey`, on the bare classifier."""
    purifier, transform = ("identity", "none") if undefended else ("deepfill", "rt2")
    return {
        "cell": {
            "id": "cell",
            "classifier": "resnet18",
            "purifier": purifier,
            "transform": transform,
        },
        "target": "classifier" if grey else "defense",
        "victim": "bare" if grey else "cell",
        "labels": [1] * n,
        "evaluations": list(entries),
        **more,
    }


def made(right: dict[str, int], *, n: int = N, **more: Any) -> Record:
    """A record of attacks of the names above, with how many examples each leaves correct."""
    return record(*(entry(name, count, n=n) for name, count in right.items()), n=n, **more)


def names(record: Record) -> list[str]:
    """The names of its findings."""
    return [one["name"] for one in findings(record)]


def text(record: Record) -> str:
    """The text of its only finding."""
    (one,) = findings(record)
    return one["text"]
