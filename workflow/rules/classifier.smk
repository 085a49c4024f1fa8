# Classifiers, where the preset names no checkpoint; and the question whether there is a GPU at all.


rule device:
    output:
        touch(paths.gate("{preset}")),
    log:
        "results/logs/{preset}/device.log",
    conda:
        "../../envs/conda.yaml"
    resources:
        gpu=gpus,
    params:
        flags=flags(allow_cpu=config["allow_cpu"]),
    priority: 100
    shell:
        "python -m atop device --preset {wildcards.preset} {params.flags} 2>&1 | tee {log}"


rule classifier:
    input:
        gate,
        paths.dataset("{dataset}"),
    output:
        "results/{preset}/classifiers/{dataset}-{classifier}.safetensors",
        "results/{preset}/classifiers/{dataset}-{classifier}.json",
    log:
        "results/logs/{preset}/classifier/{dataset}-{classifier}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        flags=flags(allow_cpu=config["allow_cpu"]),
        settings=lambda w: settings.fingerprint("classifier", w.preset),
    shell:
        "python -m atop classifier --preset {wildcards.preset} --dataset {wildcards.dataset}"
        " --classifier {wildcards.classifier} --threads {threads} {params.flags} 2>&1 | tee {log}"
