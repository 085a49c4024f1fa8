# Purifiers: pretraining (or public weights, checkpoint.smk), then the L_org stage, then AToP or a control.


rule pretrain:
    input:
        gate,
        paths.dataset("{dataset}"),
    output:
        "results/{preset}/pretrained/{dataset}-{purifier}.safetensors",
        "results/{preset}/pretrained/{dataset}-{purifier}.json",
    log:
        "results/logs/{preset}/pretrain/{dataset}-{purifier}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=lambda w: fingerprints.pretrain(w.preset, w.dataset, w.purifier),
    shell:
        "python -m atop pretrain --dataset {wildcards.dataset}"
        " --purifier {wildcards.purifier} {params.how} 2>&1 | tee {log}"


rule finetune:
    input:
        finetune_inputs,
    output:
        "results/{preset}/purifiers/{cell}.safetensors",
        "results/{preset}/purifiers/{cell}.json",
    log:
        "results/logs/{preset}/finetune/{cell}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=lambda w: fingerprints.finetune(w.preset, cell_of(w)),
    shell:
        "python -m atop finetune --cell {wildcards.cell}"
        " {params.how} 2>&1 | tee {log}"
