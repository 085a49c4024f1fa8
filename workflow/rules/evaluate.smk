# Evaluation: one job per cell and suite, since importing torch takes longer than classifying.


rule evaluate:
    input:
        inputs_of(evaluation.Evaluate),
    output:
        paths.RECORD,
    log:
        "results/logs/{preset}/evaluate/{cell}/{suite}-{target}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=fingerprint_of(evaluation.Evaluate),
    shell:
        "python -m atop evaluate --cell {wildcards.cell}"
        " --suite {wildcards.suite} --target {wildcards.target} {params.how}"
        " 2>&1 | tee {log}"
