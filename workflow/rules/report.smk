# The one page of a preset: everything that its tables and figures say, from what lies beside it.

from atop.report import figures


localrules:
    page,


rule page:
    input:
        parts=lambda w: figures.parts(paths.preset_of(w.where)),
        source=sorted(
            path for path in Path("atop/report").rglob("*.*") if path.suffix != ".pyc"
        ),
    output:
        "tables/{where}report.html",
    log:
        "results/logs/report/{where}report.log",
    conda:
        "../../envs/conda.yaml"
    params:
        preset=lambda w: paths.preset_of(w.where),
        flags=lambda w: flags(
            target=config["target"],
            init=config["init"],
            recipe=config["recipe"],
            seed=config["seed"],
            extras=config["extras"],
        ),
    shell:
        "python -m atop report --preset {params.preset} {params.flags} 2>&1 | tee {log}"
