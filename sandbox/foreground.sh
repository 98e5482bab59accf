#!/bin/sh
# Runs the sandbox for as long as this script runs: a container's command. SIGTERM and SIGINT stop it in order.
set -eu
cd "$(dirname "$0")/.."
trap 'sandbox/bootstrap.sh down; exit 0' TERM INT
sandbox/bootstrap.sh up
tail -F -n 0 .local/log/web.log .local/log/worker.log &
wait
