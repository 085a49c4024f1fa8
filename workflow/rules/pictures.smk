# Image grids: test images at each stage of each defence, and the figures that show them.

from atop.experiment import image_grids

try:
    image_grids.check()
except AtopError as error:
    raise WorkflowError(str(error))


localrules:
    draw,


wildcard_constraints:
    figure="|".join(image_grids.names()),


rule pictures:
    input:
        lambda w: gate(w) + dag.pictures(w.preset, cell_of(w), w.attack),
    output:
        "results/{preset}/pictures/{cell}/{attack}.npz",
        "results/{preset}/pictures/{cell}/{attack}.json",
    log:
        "results/logs/{preset}/pictures/{cell}/{attack}.log",
    conda:
        "../../envs/conda.yaml"
    threads: cpus
    resources:
        gpu=gpus,
    params:
        how=how,
        settings=lambda w: [
            fingerprints.attack(w.preset, cell_of(w), w.attack),
            image_grids.pictures(w.attack, w.preset, cell_of(w).dataset),
        ],
    shell:
        "python -m atop pictures --cell {wildcards.cell}"
        " --attack {wildcards.attack} {params.how} 2>&1 | tee {log}"


rule draw:
    input:
        pictures=lambda w: image_grids.grid(
            w.figure, preset_in(w), **options("init", "recipe", "seed", "files")
        ).files(),
        settings=lambda w: dag.grid(preset_in(w)),
        source=RENDERING,
    output:
        report(
            "tables/{where}{figure}.png",
            caption="../report/pictures.rst",
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
