# Figures: from the data of rendered tables, which lies beside them.


localrules:
    plot,


rule plot:
    input:
        data="tables/{where}{table}.csv",
        source="atop/figures.py",
    output:
        png=report("tables/{where}{table}.png", category="Figures"),
        pdf="tables/{where}{table}.pdf",
    log:
        "results/logs/figures/{where}{table}.log",
    conda:
        "../../envs/conda.yaml"
    shell:
        "python -m atop plot --data {input.data} --out {output.png} --out {output.pdf}"
        " 2>&1 | tee {log}"
