# Picture grids: a few test pictures on their way through each defence, and the figures that show them.

from atop.pictures import grids

try:
    grids.check()
except AtopError as error:
    raise WorkflowError(str(error))


localrules:
    draw,


wildcard_constraints:
    figure="|".join(grids.names()),


rule pictures:
    input:
        lambda w: gate(w) + plan.pictures(w.preset, cell_of(w), w.attack),
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
            settings.read("pictures")["pictures"],
        ],
    shell:
        "python -m atop pictures --cell {wildcards.cell}"
        " --attack {wildcards.attack} {params.how} 2>&1 | tee {log}"


# Drawing is cheap, so its source is an input.
rule draw:
    input:
        pictures=lambda w: grids.grid(
            w.figure,
            preset_in(w),
            init=config["init"],
            recipe=config["recipe"],
            seed=config["seed"],
            files=config["files"],
        ).files(),
        settings=lambda w: plan.grid(preset_in(w)),
        source=expand(
            "atop/pictures/{module}.py",
            module=["drawing", "grids", "layout", "stored", "telling"],
        ),
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
        flags=lambda w: flags(
            init=config["init"], recipe=config["recipe"], seed=config["seed"]
        ),
    shell:
        "python -m atop draw --figure {wildcards.figure} --preset {params.preset}"
        " {params.flags} 2>&1 | tee {log}"
