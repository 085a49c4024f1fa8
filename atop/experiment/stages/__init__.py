"""The DAG: a class a stage, with its inputs, outputs, fingerprint and workload.

Rules, costs, timed runs and commands ask these classes; atop/pipeline runs them.
"""
