"""What is counted here for monitoring."""

from prometheus_client import Counter

SUBMISSIONS = Counter(
    "submitter_submissions",
    "Answered submissions: done, refused, failed or unknown; without a cluster where the input named none",
    ["cluster", "outcome"],
)
