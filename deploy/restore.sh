#!/bin/sh
# Reads a file of backup.sh into an empty database: restore.sh FILE, with the owner's DATABASE_URL in the environment.
# Before that, `systemctl stop 'job-submitter*'`. All of it is restored, or nothing.
set -eu
"$(dirname "$0")/pgclient.py" pg_restore --exit-on-error --single-transaction --no-owner "$1"
