# AToP benchmark suite: table of contents. Rules are in workflow/rules, settings in workflow/config, and the commands
# that rules call in atop/ (python -m atop --help).
#
#   snakemake --cores all --resources gpu=1 -- tables/table7.tex    the paper's Table 7, one GPU
#   snakemake --cores all -- tables/smoke/table7.md                 a small Table 7, minutes on a CPU
#   snakemake --cores all -- smoke                                  all small tables and figures, on one page
#   snakemake --cores all -- released                               the released tables, offline
#   snakemake -n -- tables/table7.tex                               the plan

from snakemake.utils import min_version

min_version("9.12")

# Snakemake's limit of 100 jobs per second makes it search for jobs every second, and after each finished job: with
# hundreds of short jobs that takes a third of a core. It stays on for cluster queues.
if workflow.local_exec and workflow.scheduling_settings:  # None in plans
    workflow.scheduling_settings.max_jobs_per_timespan = None


configfile: "workflow/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/checkpoint.smk"
include: "workflow/rules/classifier.smk"
include: "workflow/rules/purifier.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/released.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/image_grids.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/embedded.smk"


rule all:
    default_target: True
    input:
        expand("tables/{table}.{ending}", table=settings.tables(), ending=["tex", "md"]),
        "tables/report.html",


rule smoke:
    input:
        "tables/smoke/report.html",


rule released:
    input:
        expand("tables/released/{table}.md", table=settings.tables()),
        "tables/released/FINDINGS.md",
