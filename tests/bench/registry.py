"""A registry with a past: a hundred thousand jobs that have ended, written straight into an instance's database."""

import psycopg
from psycopg.sql import SQL, Identifier

from tests.bench.instance import Instance
from tests.bench.service import Service
from tests.bench.target import Place, Run

REGISTERED = 100_000
FEW, LISTED, MANY = 50, 1_000, 10_000
TAG = "few"
_OTHERS = 1000  # accounts that share the rest

# Copies of the job $4, whatever columns it has, with what tells one job from another. A job each three seconds, so that
# everybody's are spread over the days.
_COPY = """
INSERT INTO jobs_job ({columns})
SELECT {columns}
FROM (SELECT copy.* FROM jobs_job AS job, generate_series(1, %(count)s) AS n, LATERAL jsonb_populate_record(
    job, jsonb_build_object(
        'id', gen_random_uuid(),
        'account', CASE WHEN %(others)s > 0 THEN %(account)s || n %% %(others)s ELSE %(account)s END,
        'tag', CASE WHEN n %% (%(count)s / %(tagged)s) = 0 THEN %(tag)s ELSE 'tag-' || n %% 100 END,
        'slurm_id', job.slurm_id + 100000000 + n,
        'job_id', (job.slurm_id + 100000000 + n) || '.jobs',
        'created_at', job.created_at - n * interval '3 seconds',
        'submitted_at', job.created_at - n * interval '3 seconds',
        'started_at', job.created_at - n * interval '3 seconds' + interval '1 minute',
        'ended_at', job.created_at - n * interval '3 seconds' + interval '3 minutes',
        'stdout', '/home/somebody/results/slurm-' || n || '.out',
        'stderr', '/home/somebody/results/slurm-' || n || '.out',
        'status', 'FINISHED', 'slurm_state', 'COMPLETED', 'accounting_confirmed', true, 'acknowledged', true,
        'nodes', 1, 'cores', 12, 'exit_code', 0, 'wall_seconds', 120
    )
) AS copy WHERE job.job_id = %(job_id)s) AS copies
"""
_COLUMNS = """
SELECT column_name FROM information_schema.columns WHERE table_name = 'jobs_job' AND is_generated = 'NEVER'
"""


def readers(instance: Instance) -> list[Place]:
    """Return the places of the accounts with LISTED and with MANY jobs, who submit none."""
    return instance.near[-2:]


def fill(instance: Instance) -> None:
    """Give one account LISTED jobs, another MANY of which FEW have TAG, and the rest to accounts of nobody."""
    with Service(instance.near[0], Run()) as service:
        job_id = service.submit("copied")
    listed, many = (place.account for place in readers(instance))
    with psycopg.connect(instance.environment["DATABASE_URL"], autocommit=True) as connection:
        columns = SQL(", ").join(Identifier(name) for (name,) in connection.execute(_COLUMNS))
        for account, count, others in (
            (listed, LISTED, 0),
            (many, MANY, 0),
            ("somebody", REGISTERED - MANY - LISTED, _OTHERS),
        ):
            values = {"account": account, "count": count, "others": others, "tagged": FEW, "tag": TAG}
            connection.execute(SQL(_COPY).format(columns=columns), values | {"job_id": job_id})
        connection.execute("VACUUM ANALYZE jobs_job")
