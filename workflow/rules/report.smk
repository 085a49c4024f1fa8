# The report page of a preset: all its tables and figures, from the files beside it.

from atop.reporting.report import figures


localrules:
    page,


rule page:
    input:
        parts=lambda w: figures.parts(presets.get(preset_in(w))),
        source=RENDERING,
    output:
        report(
            "tables/{where}report.html",
            caption="../report/page.rst",
            category="Page",
            subcategory=preset_in,
        ),
    log:
        "results/logs/report/{where}report.log",
    conda:
        "../../envs/conda.yaml"
    params:
        preset=preset_in,
        flags=flags(**options("target", "init", "recipe", "seed", "extras")),
    shell:
        "python -m atop report --preset {params.preset} {params.flags} 2>&1 | tee {log}"
