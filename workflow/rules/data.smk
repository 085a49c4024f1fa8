# Data: fetched or decoded once, verified by the hash of the pixels.


rule fetch:
    output:
        paths.RESULTS / "data" / "{dataset}.npz",
    log:
        "results/logs/fetch/{dataset}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        flags=lambda w: flags(folder=None if w.dataset == "cifar10_slice" else config["data_dir"]),
        expected=lambda w: settings.dataset(w.dataset)["sha256"],
    shell:
        "python -m atop fetch --dataset {wildcards.dataset} {params.flags} 2>&1 | tee {log}"
