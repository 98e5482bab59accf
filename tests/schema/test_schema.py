"""schemathesis asks for whatever the API's description allows, and for what it does not, with every check it has."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.target import Place

pytestmark = pytest.mark.xdist_group("schema")  # one instance of the service for both files

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 20  # of each call, besides those that the phase `coverage` makes of each field's limits
SEED = 20260501  # the same cases each time: no build turns red by chance; another number asks for others


@pytest.fixture
def users(places: list[Place], tmp_path: Path) -> Path:
    """The two users in the form of Web Fuzzing Commons."""
    file = tmp_path / "users.json"
    file.touch(mode=0o600)
    known = [{"name": place.account, "fixedHeaders": [{"name": "PROXY", "value": place.proxy}]} for place in places]
    file.write_text(json.dumps({"auth": known}))
    return file


def test_the_service_does_what_its_description_says(
    places: list[Place], users: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    place = places[0]
    command = [str(Path(sys.executable).with_name("schemathesis")), "--no-color", "--config-file", str(CONFIGURATION)]
    asked = [
        "run",
        f"https://{place.address}:{place.port}/api/schema",
        "--tls-verify=false",
        f"--seed={SEED}",
        f"--max-examples={EXAMPLES}",
    ]
    done = subprocess.run(
        [*command, *asked],
        env=environment | {"SCHEMA_HOST": place.cluster, "SCHEMA_USERS": str(users)},
        cwd=tmp_path,  # it keeps what it has found there
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 selected / 9 total" in done.stdout
