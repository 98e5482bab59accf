"""What is counted here for monitoring. Rules are a closed list: no label holds what a caller sent."""

from prometheus_client import Counter

VERDICTS = Counter("submitter_proxy_verdicts", "Proxies judged, by the rule that refused them", ["verdict", "rule"])
NOT_COUNTED = Counter(
    "submitter_not_counted", "Requests let through because Redis was away, which limits them", ["what"]
)
