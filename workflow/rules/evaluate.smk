# Evaluation: one job per cell and suite, since importing torch takes longer than classifying.


rule evaluate:
    input:
        evaluate_inputs,
    output:
        "results/{preset}/records/{cell}/{suite}-{target}.json",
    log:
        "results/logs/{preset}/evaluate/{cell}/{suite}-{target}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=lambda w: fingerprints.evaluate(w.preset, cell_of(w), w.suite),
    shell:
        "python -m atop evaluate --cell {wildcards.cell}"
        " --suite {wildcards.suite} --target {wildcards.target} {params.how}"
        " 2>&1 | tee {log}"
