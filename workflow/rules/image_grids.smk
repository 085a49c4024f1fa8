# Image grids: test images at each stage of each defence, and the figures that show them.


localrules:
    draw,


wildcard_constraints:
    figure="|".join(image_grids.names()),


rule images:
    input:
        inputs_of(evaluation.TraceImages),
    output:
        evaluation.TraceImages.patterns(),
    log:
        "results/logs/{preset}/images/{cell}/{attack}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=fingerprint_of(evaluation.TraceImages),
    shell:
        "python -m atop images --cell {wildcards.cell}"
        " --attack {wildcards.attack} {params.how} 2>&1 | tee {log}"


rule draw:
    input:
        images=lambda w: image_grids.grid(
            w.figure,
            presets.get(preset_in(w)),
            **options("init", "recipe", "seed", "files"),
        ).files(),
        settings=lambda w: plan.of_grid(presets.get(preset_in(w))),
        source=RENDERING,
    output:
        report(
            "tables/{where}{figure}.png",
            caption="../report/image_grid.rst",
            category="Figures",
            subcategory=preset_in,
            labels=labels,
        ),
        "tables/{where}{figure}.pdf",
        "tables/{where}{figure}.svg",
        "tables/{where}{figure}.json",
    log:
        "results/logs/figures/{where}{figure}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        preset=preset_in,
        flags=flags(**options("init", "recipe", "seed")),
    shell:
        "python -m atop draw --figure {wildcards.figure} --preset {params.preset}"
        " {params.flags} 2>&1 | tee {log}"
