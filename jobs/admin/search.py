"""Searches a million jobs by indexes: what is typed has to be a whole id, account, tag or DN."""

import uuid

from django.db.models import Q, QuerySet
from django.db.models.functions import Left

from clusters.models import Cluster
from jobs.models import DN_INDEXED, Job

HELP = "A job_id or SLURM id, a submission's id, an account, a tag or an owner's DN, whole and as it is written."


def search(jobs: QuerySet[Job], text: str) -> QuerySet[Job]:
    """Return those of `jobs` that `text` names: their id, their submission, their account, their tag or their owner."""
    text = text.strip().replace("\0", "\ufffd")
    if not text:
        return jobs
    if text.startswith("/"):
        return jobs.alias(dn_start=Left("owner_dn", DN_INDEXED)).filter(dn_start=text[:DN_INDEXED], owner_dn=text)
    if text.isdecimal():
        domains = Cluster.objects.values_list("job_domain", flat=True)
        return jobs.filter(Q(job_id__in=[f"{text}.{domain}" for domain in domains]) | Q(tag=text))
    try:
        return jobs.filter(pk=uuid.UUID(text))
    except ValueError:
        return jobs.filter(Q(job_id=text) | Q(account=text) | Q(tag=text))
