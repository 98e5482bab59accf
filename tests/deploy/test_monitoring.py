"""The alert rules and the dashboard: right in Prometheus' eyes, and about metrics that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from clusters.health import State
from submitter.ops import heartbeat

pytestmark = pytest.mark.apart

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "job-submitter.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "job-submitter.json"
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}


def promtool(*words: str | Path, folder: Path = DEPLOY) -> str:
    program = shutil.which("promtool")
    assert program, "Debian's package prometheus has it"
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_understands_every_rule() -> None:
    assert f"{RULES.read_text().count('- alert:')} rules found" in promtool("check", "rules", RULES)


def test_the_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts.yml"), tmp_path)
    assert "SUCCESS" in promtool("test", "rules", "alerts.yml", folder=tmp_path)


def test_prometheus_understands_the_scrape_configuration(tmp_path: Path) -> None:
    text = (DEPLOY / "prometheus" / "scrape.yml").read_text().replace("/etc/prometheus/rules", str(tmp_path))
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(RULES, tmp_path / "job-submitter.yml")
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")


@pytest.fixture
def answered(settings: Any) -> str:
    """What /metrics answers where beat is alive."""
    settings.SECURE_SSL_REDIRECT = False
    settings.CELERY_BROKER_URL = settings.CELERY_BROKER_URL.rsplit("/", 1)[0] + "/11"  # nobody else's
    heartbeat.beat()
    text: str = Client().get("/metrics").content.decode()
    return text


@pytest.mark.django_db
@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=["rules", "dashboard"])
def test_every_metric_that_is_used_exists(answered: str, file: Path) -> None:
    families = text_string_to_metric_families(answered)
    there = {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, [""])}
    used = set(re.findall(r"submitter_\w+", file.read_text()))
    assert len(used) > 10
    assert used <= there


@pytest.mark.django_db
def test_prometheus_likes_the_metrics(answered: str) -> None:
    program = shutil.which("promtool")
    assert program
    done = subprocess.run(
        [program, "check", "metrics"], input=answered, capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("submitter_")]
    assert complaints == []


def test_every_state_in_the_rules_is_a_clusters_state() -> None:
    named = re.findall(r'state=~?"([^"]+)"', RULES.read_text())
    assert {state for words in named for state in words.split("|")} <= set(State)


def test_every_panel_of_the_dashboard_asks_something_and_has_room() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    taken = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))


def test_every_question_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = [{"record": f"r{n}", "expr": text.replace("$__rate_interval", "5m")} for n, text in enumerate(asked)]
    (tmp_path / "asked.yml").write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", tmp_path / "asked.yml")
