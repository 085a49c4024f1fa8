# Adversarial sets: made once per cell (the bare classifier is a cell, too), shared by all evaluations.


rule attack:
    input:
        attack_inputs,
    output:
        "results/{preset}/adversarial/{cell}/{attack}.safetensors",
        "results/{preset}/adversarial/{cell}/{attack}.json",
    log:
        "results/logs/{preset}/attack/{cell}/{attack}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=lambda w: fingerprints.attack(w.preset, cell_of(w), w.attack),
    shell:
        "python -m atop attack --cell {wildcards.cell}"
        " --attack {wildcards.attack} {params.how} 2>&1 | tee {log}"
