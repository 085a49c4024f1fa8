# Tables: from records and the paper's numbers; no torch from here on.


localrules:
    table,


rule table:
    input:
        records=lambda w: table_of(w).records(),
        settings=lambda w: plan.of_table(table_of(w)),
        source=RENDERING,
    output:
        report(
            "tables/{where}{table}.md",
            caption="../report/table.rst",
            category="Tables",
            subcategory=preset_in,
            labels=labels,
        ),
        report(
            "tables/{where}{table}.diff.md",
            caption="../report/differences.rst",
            category="Differences",
            subcategory=preset_in,
            labels=labels,
        ),
        "tables/{where}{table}.tex",
        "tables/{where}{table}.csv",
    log:
        "results/logs/tables/{where}{table}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        preset=preset_in,
        flags=flags(**options("target", "init", "recipe", "seed", "extras")),
    shell:
        "python -m atop table --table {wildcards.table} --preset {params.preset}"
        " {params.flags} 2>&1 | tee {log}"
