# Tables: from records, beside the paper's numbers; no torch from here on. Rendering is cheap, so its
# source is an input: editing a template renders again.


localrules:
    table,


rule table:
    input:
        records=lambda w: table_of(w).records(),
        told=lambda w: plan.table(table_of(w)),
        source=expand(
            "atop/{module}.py",
            module=[
                "aggregate",
                "bars",
                "budgets",
                "diff",
                "findings",
                "floats",
                "intervals",
                "notes",
                "pairs",
                "paper",
                "records",
                "regime",
                "render",
                "stand_ins",
                "stats",
                "tables",
                "view",
            ],
        ),
        templates=sorted(Path("atop/templates").glob("*.j2")),
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
        flags=flags(**said("target", "init", "recipe", "seed", "extras")),
    shell:
        "python -m atop table --table {wildcards.table} --preset {params.preset}"
        " {params.flags} 2>&1 | tee {log}"
