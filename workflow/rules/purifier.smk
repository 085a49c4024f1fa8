# Purifiers: pretraining (or public weights, checkpoint.smk), then the L_org stage, then AToP or a control.


rule pretrain:
    input:
        inputs_of(finetuning.Pretrain),
    output:
        finetuning.Pretrain.patterns(),
    log:
        "results/logs/{preset}/pretrain/{dataset}-{purifier}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=fingerprint_of(finetuning.Pretrain),
    shell:
        "python -m atop pretrain --dataset {wildcards.dataset}"
        " --purifier {wildcards.purifier} {params.how} 2>&1 | tee {log}"


rule finetune:
    input:
        inputs_of(finetuning.Finetune),
    output:
        finetuning.Finetune.patterns(),
    log:
        "results/logs/{preset}/finetune/{cell}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=fingerprint_of(finetuning.Finetune),
    shell:
        "python -m atop finetune --cell {wildcards.cell}"
        " {params.how} 2>&1 | tee {log}"
