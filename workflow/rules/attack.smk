# Adversarial sets: made once on a cell (the bare classifier is one too), shared by every evaluation.


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
