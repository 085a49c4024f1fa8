# AToP benchmark suite: the table of contents. Rules lie in workflow/rules, settings in workflow/config,
# and what a rule does in atop/ (python -m atop --help).
#
#   snakemake --cores all --resources gpu=1 -- tables/table7.tex    the paper's Table 7, one GPU
#   snakemake --cores all -- tables/smoke/table7.md                 the same in small, minutes on a CPU
#   snakemake --cores all -- smoke                                  its other tables too
#   snakemake --cores all -- tables/smoke/report.html               ... and one page that holds everything
#   snakemake --cores all -- released                               what was measured already, offline
#   snakemake -n -- tables/table7.tex                               the plan

from snakemake.utils import min_version

min_version("9.12")

# The limit of 100 jobs a second looks for work anew every second, once more for each finished job: of
# hundreds of short jobs on one machine it takes a third of a core. A cluster's queue keeps it.
if workflow.local_exec and workflow.scheduling_settings:  # none in plans
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
