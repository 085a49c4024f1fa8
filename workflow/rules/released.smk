# Released tables: from the records in results/released/, offline, with a section for each preset.

from atop.results import released as releases


localrules:
    released_table,
    released_findings,


rule released_table:
    input:
        records=lambda w: [file for file in [releases.file(w.table)] if file.exists()],
        settings=lambda w: [
            file
            for preset in presets.names()
            for file in plan.of_table(tables.table(w.table, presets.get(preset)))
        ],
        source=RENDERING,
    output:
        "tables/released/{table}.md",
        "tables/released/{table}.diff.md",
        "tables/released/{table}.tex",
        "tables/released/{table}.csv",
    log:
        "results/logs/tables/released/{table}.log",
    conda:
        "../../envs/conda.yaml"
    shell:
        "python -m atop released --table {wildcards.table} 2>&1 | tee {log}"


rule released_findings:
    input:
        template="workflow/report/FINDINGS.md.j2",
        records=[
            file
            for name in settings.tables()
            if (file := releases.file(name)).exists()
        ],
        numbers=[
            *sorted(Path("results/benchmarks").glob("*.json")),
            *sorted(Path("tables/paper").glob("*.csv")),
        ],
        source=RENDERING,
    output:
        "tables/released/FINDINGS.md",
    log:
        "results/logs/tables/released/FINDINGS.log",
    conda:
        "../../envs/conda.yaml"
    shell:
        "python -m atop quote {input.template} --out {output} 2>&1 | tee {log}"
