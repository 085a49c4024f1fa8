# Training of classifiers for which the preset names no checkpoint; and the check for a GPU.


rule device:
    output:
        touch(paths.DEVICE),
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
        inputs_of(training.TrainClassifier),
    output:
        training.TrainClassifier.patterns(),
    log:
        "results/logs/{preset}/classifier/{dataset}-{classifier}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=fingerprint_of(training.TrainClassifier),
    shell:
        "python -m atop classifier --dataset {wildcards.dataset}"
        " --classifier {wildcards.classifier} {params.how} 2>&1 | tee {log}"


rule tune:
    input:
        inputs_of(finetuning.Tune),
    output:
        finetuning.Tune.patterns(),
    log:
        "results/logs/{preset}/tune/{cell}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=fingerprint_of(finetuning.Tune),
    shell:
        "python -m atop finetune --cell {wildcards.cell} {params.how} 2>&1 | tee {log}"
