# Datasets: fetched or decoded once, verified by the hash of the pixels. The input of other rules is about.json,
# which is written last.


rule fetch:
    output:
        paths.DATASET,
        "results/data/{dataset}/train.npy",
        "results/data/{dataset}/test.npy",
    log:
        "results/logs/fetch/{dataset}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        folder=files_of,
        expected=lambda w: [
            settings.dataset(w.dataset).given()[key]
            for key in ("sha256", "images", "pixels")
        ],
    shell:
        "python -m atop fetch --dataset {wildcards.dataset} {params.folder} 2>&1 | tee {log}"
