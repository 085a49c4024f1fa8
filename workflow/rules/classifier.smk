# Training of classifiers for which the preset names no checkpoint; and the check for a GPU.


rule device:
    output:
        touch(paths.gate("{preset}")),
    log:
        "results/logs/{preset}/device.log",
    priority: 100
    conda:
        "../../envs/conda.yaml"
    # First and on all cores, so that no download or training starts before the result.
    threads: workflow.cores
    resources:
        gpu=gpus,
    params:
        how=how,
    shell:
        "python -m atop device {params.how} 2>&1 | tee {log}"


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
        how=how,
        settings=lambda w: fingerprints.classifier(w.preset, w.dataset, w.classifier),
    shell:
        "python -m atop classifier --dataset {wildcards.dataset}"
        " --classifier {wildcards.classifier} {params.how} 2>&1 | tee {log}"


rule tune:
    input:
        finetune_inputs,
    output:
        "results/{preset}/tuned/{cell}.safetensors",
        "results/{preset}/tuned/{cell}.json",
    log:
        "results/logs/{preset}/tune/{cell}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=lambda w: fingerprints.finetune(w.preset, cell_of(w)),
    shell:
        "python -m atop finetune --cell {wildcards.cell} {params.how} 2>&1 | tee {log}"
