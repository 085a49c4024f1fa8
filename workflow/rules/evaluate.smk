# Evaluation: one job a cell, since importing torch costs more than classifying.


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
        flags=flags(allow_cpu=config["allow_cpu"]),
        settings=lambda w: settings.fingerprint("evaluate", w.preset, suite_name=w.suite),
    shell:
        "python -m atop evaluate --preset {wildcards.preset} --cell {wildcards.cell}"
        " --suite {wildcards.suite} --target {wildcards.target} --threads {threads} {params.flags}"
        " 2>&1 | tee {log}"
