# Figures: from the .csv of rendered tables.


localrules:
    plot,


rule plot:
    input:
        data="tables/{where}{table}.csv",
        source=RENDERING,
    output:
        png=report(
            "tables/{where}{table}.png",
            caption="../report/figure.rst",
            category="Figures",
            subcategory=preset_in,
            labels=labels,
        ),
        pdf="tables/{where}{table}.pdf",
        svg="tables/{where}{table}.svg",
    log:
        "results/logs/figures/{where}{table}.log",
    wildcard_constraints:
        where="|".join(["", "released/", *(f"{name}/" for name in presets.names())]),
    conda:
        "../../envs/conda.yaml"
    shell:
        "python -m atop plot --data {input.data} --out {output.png} --out {output.pdf}"
        " --out {output.svg} 2>&1 | tee {log}"
