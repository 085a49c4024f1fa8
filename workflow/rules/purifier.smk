# Purifiers: public weights or pretraining from scratch, then the L_org stage, then AToP or a control.


rule weights:
    output:
        paths.public("{purifier}", "{init}"),
    log:
        "results/logs/weights/{purifier}-{init}.log",
    conda:
        "../../envs/conda.yaml"
    shell:
        "python -m atop weights --purifier {wildcards.purifier} --init {wildcards.init}"
        " 2>&1 | tee {log}"


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
        settings=lambda w: settings.fingerprint("pretrain", w.preset),
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
        settings=lambda w: settings.fingerprint("finetune", w.preset, cell_of(w)),
    shell:
        "python -m atop finetune --cell {wildcards.cell}"
        " {params.how} 2>&1 | tee {log}"
