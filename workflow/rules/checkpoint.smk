# Public weights: fetched once, or taken from the user's folder, and verified.

import re

from atop import zoo


def where_from(wildcards, threads):
    """What is there is verified, so that another folder fetches nothing again."""
    return flags(folder=config["files"], offline=config["offline"])


rule checkpoint:
    output:
        paths.CHECKPOINTS / "{file}",
    log:
        "results/logs/checkpoint/{file}.log",
    wildcard_constraints:
        file="|".join(
            [
                *(
                    re.escape(row["file"])
                    for row in settings.read("checkpoints").values()
                    if "file" in row
                ),
                zoo.FILE.pattern,
            ]
        ),
    conda:
        "../../envs/conda.yaml"
    params:
        how=where_from,
    shell:
        "python -m atop checkpoint --file {wildcards.file} {params.how} 2>&1 | tee {log}"
