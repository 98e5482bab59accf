# Questions about the cluster itself.

# ping: the version of SLURM's tools, and whether the controller answers.
verb_ping() {
    js_section js_ask sbatch --version
    js_last js_ask scontrol ping
}

# name: what SLURM calls the cluster of the login node.
verb_name() {
    js_last js_ask scontrol show config
}
