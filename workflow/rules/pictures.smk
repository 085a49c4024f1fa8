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
            paths.preset_of(w.where),
            init=config["init"],
            recipe=config["recipe"],
            seed=config["seed"],
            files=config["files"],
        ).files(),
        settings=lambda w: plan.grid_settings(paths.preset_of(w.where)),
        source=expand(
            "atop/pictures/{module}.py",
            module=["drawing", "grids", "layout", "stored", "telling"],
        ),
    output:
        report("tables/{where}{figure}.png", category="Figures"),
        "tables/{where}{figure}.pdf",
        "tables/{where}{figure}.svg",
        "tables/{where}{figure}.json",
    log:
        "results/logs/figures/{where}{figure}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        preset=lambda w: paths.preset_of(w.where),
        flags=lambda w: flags(
            init=config["init"], recipe=config["recipe"], seed=config["seed"]
        ),
    shell:
        "python -m atop draw --figure {wildcards.figure} --preset {params.preset}"
        " {params.flags} 2>&1 | tee {log}"
