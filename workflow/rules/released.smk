# Released tables and FINDINGS.md, which quotes them: from the records in results/released/, offline, in one job.

from atop.results import released as releases


localrules:
    released_pages,


rule released_pages:
    input:
        records=[
            file
            for name in settings.tables()
            if (file := releases.file(name)).exists()
        ],
        settings=[
            file
            for name in settings.tables()
            for preset in presets.names()
            for file in plan.of_table(tables.table(name, presets.get(preset)))
        ],
        template="workflow/report/FINDINGS.md.j2",
        benchmarks=sorted(Path("results/benchmarks").glob("*.json")),
        source=RENDERING,
    output:
        expand(
            "tables/released/{table}.{suffix}",
            table=settings.tables(),
            suffix=["md", "diff.md", "tex", "csv"],
        ),
        "tables/released/FINDINGS.md",
    log:
        "results/logs/tables/released.log",
    conda:
        "../../envs/conda.yaml"
    shell:
        "python -m atop released 2>&1 | tee {log}"
