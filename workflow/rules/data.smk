# Data: fetched or decoded once, verified by the hash of the pixels.


rule fetch:
    output:
        paths.RESULTS / "data" / "{dataset}.npz",
    log:
        "results/logs/fetch/{dataset}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        folder=folder_of,
        expected=lambda w: settings.dataset(w.dataset)["sha256"],
    shell:
        "python -m atop fetch --dataset {wildcards.dataset} {params.folder} 2>&1 | tee {log}"
