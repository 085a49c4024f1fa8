# Files of workflow/resources: made from all of CIFAR-10 by `snakemake --cores 2 -- embedded`. They are no input of
# another rule, so that a clone needs no download.


rule embedded:
    input:
        paths.dataset("cifar10"),
        "results/embedded/classifiers/cifar10-resnet_small.safetensors",
        expand(
            "results/embedded/pretrained/cifar10-{purifier}.safetensors",
            purifier=presets.get("embedded").settings.purifiers,
        ),
    log:
        "results/logs/embedded.log",
    conda:
        "../../envs/conda.yaml"
    shell:
        "python -m atop embed 2>&1 | tee {log}"
