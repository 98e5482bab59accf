"""The registered clusters, their polls and logins. The service connects only to what is registered here."""

import zoneinfo

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower

from clusters.errors import Busy, ClusterError, Refused, Unreachable, Unresponsive
from clusters.ssh.endpoint import Endpoint
from clusters.validators import (
    host_name,
    seconds,
    validate_account,
    validate_address,
    validate_environment,
    validate_host_key,
    validate_time_zone,
)

_NAMED = """
    SELECT * FROM clusters_cluster
    WHERE lower(name) = lower(%s) OR EXISTS (SELECT FROM unnest(aliases) AS alias WHERE lower(alias) = lower(%s))
"""


class Cluster(models.Model):
    """A SLURM cluster: how its login node is reached, and how users name it and its jobs."""

    name = models.CharField(max_length=253, unique=True, validators=[host_name], help_text="what users give as host")
    aliases = ArrayField(
        models.CharField(max_length=253, validators=[host_name]),
        default=list,
        blank=True,
        help_text="other names for it",
    )
    enabled = models.BooleanField(default=True)
    disabled_message = models.CharField(
        max_length=500,
        blank=True,
        help_text="what users are told while it is not enabled, such as: maintenance until 6 pm",
    )
    address = models.CharField(
        max_length=253, validators=[validate_address], help_text="login node, a name or an address"
    )
    port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    host_keys = ArrayField(
        models.TextField(validators=[validate_host_key]),
        help_text="the keys that the login node may show; never learnt, always compared",
    )
    job_domain = models.CharField(
        max_length=253, unique=True, validators=[host_name], help_text="what follows the SLURM id in a job_id"
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    slurm_bin = models.CharField(
        max_length=255,
        default="/usr/bin",
        validators=[RegexValidator(r"\A/[A-Za-z0-9._/+-]*\Z", "an absolute path without blanks")],
        help_text="directory of sbatch, squeue, sacct, scancel and scontrol",
    )
    slurm_name = models.CharField(
        "SLURM's name",
        max_length=64,
        blank=True,
        validators=[RegexValidator(r"\A[A-Za-z0-9_.][A-Za-z0-9_.-]*\Z", "letters, digits, dots, hyphens, _")],
        help_text="its ClusterName in slurm.conf, which sbatch tells of a job that it gave to another cluster; empty: "
        "the name above or an alias",
    )
    environment = models.JSONField(
        default=dict, blank=True, validators=[validate_environment], help_text="variables for these, such as SLURM_CONF"
    )
    poll_account = models.CharField(
        max_length=32,
        blank=True,
        validators=[validate_account],
        help_text="account that may see every job (SLURM operator); empty: every owner's own account asks",
    )
    download_url = models.CharField(
        max_length=500,
        blank=True,
        help_text="URL of an output file with {path}, {account} and {job_id}; empty: this service's own",
    )
    connect_timeout = models.PositiveSmallIntegerField(default=10, validators=seconds, help_text="seconds")
    command_timeout = models.PositiveSmallIntegerField(default=30, validators=seconds, help_text="seconds")
    channels = models.PositiveSmallIntegerField(
        default=8,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
        help_text="used at once on one account's connection by each process; below sshd's MaxSessions, 10",
    )
    callers_per_account = models.PositiveSmallIntegerField(
        default=32,
        validators=[MinValueValidator(1)],
        help_text="calls of one account at work or waiting, in each process",
    )
    callers = models.PositiveSmallIntegerField(
        default=60,
        validators=[MinValueValidator(1)],
        help_text="the same for all accounts together; more get 503 at once",
    )

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="cluster_name_whatever_case")]
        permissions = [
            ("ping_cluster", "Can try the connection to a cluster"),
            ("switch_cluster", "Can enable and disable a cluster"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse names that already mean another cluster. Raises ValidationError."""
        names = {self.name.lower(), *(alias.lower() for alias in self.aliases)}
        for other in Cluster.objects.exclude(pk=self.pk):
            if shared := names & other.names:
                raise ValidationError(f"{', '.join(sorted(shared))} already means {other.name}")

    @classmethod
    def named(cls, name: str) -> "Cluster | None":
        """Return the cluster of that name or alias, whatever the case of its letters; None if there is none.

        Every submission asks for it; without the ORM's compiler that takes half the time.
        """
        if "\0" in name:
            return None
        return next(iter(cls.objects.raw(_NAMED, [name, name])), None)

    @property
    def names(self) -> set[str]:
        """Return every name of this cluster in lower case."""
        return {self.name.lower(), *(alias.lower() for alias in self.aliases)}

    def is_slurms(self, name: str) -> bool:
        """Return whether `name` is SLURM's name of this cluster, as far as this row tells."""
        return name.lower() == self.slurm_name.lower() if self.slurm_name else name.lower() in self.names

    @property
    def shows_file_urls(self) -> bool:
        """Whether answers have the URLs of output files in the site's own download service, and so need their paths."""
        return bool(self.download_url)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """Return the time zone in which its users read its times."""
        return zoneinfo.ZoneInfo(self.time_zone)

    @property
    def endpoint(self) -> Endpoint:
        """Return how its login node is reached."""
        return Endpoint(
            address=self.address,
            port=self.port,
            host_keys=tuple(self.host_keys),
            connect_timeout=self.connect_timeout,
            channels=self.channels,
            callers_per_account=self.callers_per_account,
            callers=self.callers,
        )


class PollFailure(models.TextChoices):
    """How a poll failed, as far as something is decided by it; the error's text is for people alone."""

    UNREACHABLE = "unreachable", "The login node cannot be reached, by whatever account."
    REFUSED = "refused", "The login node does not let the account in."
    UNANSWERED = "unanswered", "The account was let in, or not tried, and its poll had no whole answer."

    @classmethod
    def of(cls, error: ClusterError) -> "PollFailure":
        """Return how a poll that raised `error` has failed."""
        if isinstance(error, Refused):
            return cls.REFUSED
        if isinstance(error, Unreachable) and not isinstance(error, Busy | Unresponsive):
            return cls.UNREACHABLE
        return cls.UNANSWERED


class Poll(models.Model):
    """The polls of a cluster as one account: the last success, the last failure, and when the next one is due."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="polls")
    account = models.CharField(max_length=32)
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(
        max_length=16, blank=True, choices=PollFailure, help_text="how the last one failed; empty: it did not"
    )
    error = models.TextField(blank=True, help_text="why it failed, or what of its answer was not understood")
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    unchanged_polls = models.PositiveIntegerField(default=0, help_text="polls in a row that changed nothing")
    duration = models.FloatField(null=True, help_text="seconds that the last one took")
    interval = models.FloatField(null=True, help_text="seconds from one to the next while something happens")
    due_at = models.DateTimeField(null=True, help_text="not polled again before")
    ordered_at = models.DateTimeField(null=True, help_text="a worker was told to poll, and has not done so yet")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "account"], name="one_poll_per_account")]

    def __str__(self) -> str:
        return f"{self.cluster} as {self.account}"


class Login(models.Model):
    """The logins of an account at a login node, by which all processes know whom it does not let in."""

    address = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    account = models.CharField(max_length=32)
    accepted_at = models.DateTimeField(null=True)
    refusals = models.PositiveIntegerField(default=0, help_text="in a row")
    message = models.TextField(blank=True, help_text="why the last one was refused")
    refused_until = models.DateTimeField(null=True, help_text="not tried again before")
    tried_until = models.DateTimeField(null=True, help_text="a process tries it, or has died by then")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["address", "port", "account"], name="one_login_per_account")]

    def __str__(self) -> str:
        return f"{self.account} at {self.address} port {self.port}"


class LoginNode(models.Model):
    """The penalty of a login node for logins of this service that failed; see clusters.calls.login_limits."""

    address = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    penalty_until = models.DateTimeField(help_text="when it has forgiven all of them")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["address", "port"], name="one_penalty_per_login_node")]

    def __str__(self) -> str:
        return f"{self.address} port {self.port}"
