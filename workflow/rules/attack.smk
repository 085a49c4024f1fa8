# Adversarial sets: made once per cell (the bare classifier is a cell, too), shared by all evaluations.


rule attack:
    input:
        inputs_of(attack.Attack),
    output:
        attack.Attack.patterns(),
    log:
        "results/logs/{preset}/attack/{cell}/{attack}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=fingerprint_of(attack.Attack),
    shell:
        "python -m atop attack --cell {wildcards.cell}"
        " --attack {wildcards.attack} {params.how} 2>&1 | tee {log}"
