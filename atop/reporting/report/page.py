"""Fill the template of the page with its parts and libraries."""

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
    """Return the buttons of a column: to sort, and to choose the values to show."""
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
    """Write the page with its `parts` and libraries to `path`; return the path."""
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
    """Return plain text as HTML: text between backticks becomes code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if quoted else part
        for part, quoted in spans(str(text))
    )


def _libraries() -> Dict:
    """Return DataTables as a data URI with its style, and Vega-Embed as a script."""
    folder = files("itables") / "html"
    module = b64encode((folder / "dt_bundle.js").read_bytes()).decode()
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return {
        "datatables": f"data:text/javascript;base64,{module}",
        "style": Markup((folder / "dt_bundle.css").read_text()),
        "vega": Markup(vega.replace("</script", "<\\/script")),
    }


def _json(value: object) -> Markup:
    """Return a value for a script; "<" is escaped, so that no text can end the script."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))
