# Tables: from records, beside the paper's numbers; no torch from here on. Rendering is cheap, so its
# source is an input: editing a template renders again.


localrules:
    table,


rule table:
    input:
        records=table_records,
        paper="tables/paper/{table}.csv",
        settings=table_settings,
        source=expand(
            "atop/{module}.py",
            module=["aggregate", "diff", "notes", "records", "render", "stats"],
        ),
        templates=sorted(Path("atop/templates").glob("*.j2")),
    output:
        report("tables/{where}{table}.md", category="Tables"),
        report("tables/{where}{table}.diff.md", category="Differences"),
        "tables/{where}{table}.tex",
        "tables/{where}{table}.csv",
    log:
        "results/logs/tables/{where}{table}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        preset=lambda w: paths.preset_of(w.where),
        target=target_of,
        flags=lambda w: flags(
            init=config["init"], recipe=config["recipe"], seed=config["seed"]
        ),
    shell:
        "python -m atop table --table {wildcards.table} --preset {params.preset}"
        " --target {params.target} {params.flags} 2>&1 | tee {log}"
