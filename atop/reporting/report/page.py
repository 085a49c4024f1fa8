"""The page itself: parts and libraries put into its template."""

import json
from base64 import b64encode
from importlib.resources import files
from pathlib import Path

import vl_convert
from markupsafe import Markup

from atop.core.files import writing
from atop.core.values import Dict
from atop.reporting.render import environment, spans

COLUMNS = (
    "Table", "Row", "Column", "Dataset", "Measured", "95% interval", "Paper", "Difference",
    "Verdict", "n", "Record",
)  # fmt: skip
FILTERED = ("Table", "Column", "Dataset", "Verdict")
UNSORTED = ("95% interval", "Record")
NUMERIC = {"Measured", "Paper", "Difference", "n"}


def _controls(column: str) -> list[Dict]:
    """Buttons of a column: one that sorts, and one that lists its values, to tick what stays."""
    if column in UNSORTED:
        return []
    sort = {"extend": "order", "text": f"Sort by {column}"}
    choose = {"extend": "dropdown", "text": f"Filter by {column}", "content": ["searchList"]}
    return [sort, choose] if column in FILTERED else [sort]


NUMBERS = {
    "order": [],
    "pageLength": 25,
    "lengthMenu": [25, 100, {"label": "all", "value": -1}],
    "ordering": {"indicators": False, "handler": False},
    "columns": [
        {"columnControl": _controls(column)} | ({"type": "number"} if column in NUMERIC else {})
        for column in COLUMNS
    ],
    "language": {"search": "Search all numbers", "lengthMenu": "Numbers a page _MENU_"},
}
COST = {"order": [], "paging": False, "searching": False, "info": False}


def write(parts: Dict, path: Path) -> Path:
    """Render the page with its `parts` and the libraries it needs, to `path`."""
    templates = environment(Path(__file__).parent / "templates", autoescape=True)
    templates.filters["code"] = code
    templates.globals.update(
        libraries=_libraries(),
        columns=COLUMNS,
        interactive=_json({"numbers": NUMBERS, "cost": COST}),
        script=_json,
    )
    text = templates.get_template("report.html.j2").render(parts)
    with writing(path) as temporary:
        temporary.write_text(text)
    return path


def code(text: object) -> Markup:
    """Plain text as HTML: what stands between backticks becomes code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if quoted else part
        for part, quoted in spans(str(text))
    )


def _libraries() -> Dict:
    """DataTables as a module's data URI and its style; Vega with Vega-Embed as a plain script."""
    folder = files("itables") / "html"
    module = b64encode((folder / "dt_bundle.js").read_bytes()).decode()
    return {
        "datatables": f"data:text/javascript;base64,{module}",
        "style": Markup((folder / "dt_bundle.css").read_text()),
        "vega": Markup(
            vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace(
                "</script", "<\\/script"
            )
        ),
    }


def _json(value: object) -> Markup:
    """A value inside a script, where nothing may end the script."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))
