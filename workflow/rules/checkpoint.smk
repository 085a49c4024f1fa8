# Public weights: fetched once, or copied from the user's folder, and verified.


rule checkpoint:
    output:
        paths.CHECKPOINTS / "{file}",
    log:
        "results/logs/checkpoint/{file}.log",
    wildcard_constraints:
        file=weight_files.pattern(),
    conda:
        "../../envs/conda.yaml"
    params:
        how=files_of,
    shell:
        "python -m atop checkpoint --file {wildcards.file} {params.how} 2>&1 | tee {log}"
