"""`manage.py loadclusters`: what the example says is registered, and each fault is told by cluster and field."""

import os
import tomllib
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from clusters.management import clusters_file
from clusters.management.clusters_file import Unusable
from clusters.models import Cluster

_CHECKOUT = Path(__file__).parents[2]
_EXAMPLE = _CHECKOUT / "deploy" / "clusters.example.toml"
_GUIDE = _CHECKOUT / "docs" / "operators-guide.md"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
_BASE = {"name": '"a.example"', "address": '"a"', "host_keys": f'["{_KEY}"]', "job_domain": '"a.example"'}

pytestmark = pytest.mark.django_db


def _table(**values: str | None) -> str:
    """A cluster's table, with these fields as TOML; None leaves one out."""
    return "[[cluster]]\n" + "".join(
        f"{name} = {value}\n" for name, value in (_BASE | values).items() if value is not None
    )


def _other(**values: str | None) -> str:
    return _table(**{"name": '"b.example"', "job_domain": '"b.example"'} | values)


def _load(path: Path) -> str:
    """What the command prints."""
    printed = StringIO()
    call_command("loadclusters", str(path), stdout=printed)
    return printed.getvalue()


def _refused(path: Path, contents: str | bytes) -> list[str]:
    """The lines of the complaint, each of which names the file first; nothing was written."""
    path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
    before = list(Cluster.objects.values())
    with pytest.raises(CommandError) as complaint:
        _load(path)
    assert list(Cluster.objects.values()) == before
    lines = str(complaint.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "clusters.toml"


def test_the_example_loads_as_it_stands() -> None:
    printed = _load(_EXAMPLE)
    assert printed == ("zeus.example.org at login.zeus.example.org port 22\nares.example.org at 192.0.2.20 port 2222\n")
    for table in tomllib.loads(_EXAMPLE.read_text())["cluster"]:
        cluster = Cluster.objects.get(name=table["name"])
        assert {name: getattr(cluster, name) for name in table} == table
    assert _load(_EXAMPLE) == printed
    assert Cluster.objects.count() == 2


def test_each_field_is_told_with_its_default() -> None:
    section = _GUIDE.read_text().partition("## The clusters' file\n")[2].partition("\n## ")[0]
    told: dict[str, str] = {}
    for row in section.splitlines():
        names, _, rest = row.removeprefix("| ").partition(" | ")
        if row.startswith("| `"):
            told |= dict(zip(names.split(", "), rest.partition(" | ")[0].split(", "), strict=True))
    defaults = {
        f"`{name}`": "needed" if not field.blank and not field.has_default() else f"`{_toml(field.get_default())}`"
        for name, field in clusters_file.fields().items()
    }
    assert told == defaults | {"`host_keys`": "needed where it is enabled"}


def _toml(value: object) -> str:
    words = {True: "true", False: "false"}
    return words[value] if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def test_a_cluster_of_the_same_name_is_changed_in_what_is_given(file: Path) -> None:
    file.write_text(_table(port="2222", aliases='["a"]') + _other())
    _load(file)
    file.write_text('[[cluster]]\nname = "A.example"\nport = 23\n')
    assert _load(file) == "A.example at a port 23\n"
    cluster = Cluster.objects.get(port=23)
    assert (cluster.name, cluster.aliases, cluster.job_domain, Cluster.objects.count()) == (
        "A.example", ["a"], "a.example", 2,
    )  # fmt: skip


def test_names_may_move_from_one_cluster_to_another(file: Path) -> None:
    file.write_text(_table(aliases='["x"]') + _other())
    _load(file)
    file.write_text(_table(aliases="[]") + _other(aliases='["x"]'))
    _load(file)
    assert Cluster.objects.get(name="b.example").aliases == ["x"]


_TWO = "each cluster is a table that begins with a line [[cluster]]"


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        ("", f"it names no cluster: {_TWO}"),
        ("# nothing\n", f"it names no cluster: {_TWO}"),
        ("cluster = []", f"it names no cluster: {_TWO}"),
        ('[cluster]\nname = "a"\n', f"cluster is a table: {_TWO}, in two pairs of brackets"),
        ('cluster = "a"', f"cluster is a text: {_TWO}, in two pairs of brackets"),
        ("cluster = [1]", f"cluster is a list: {_TWO}, in two pairs of brackets"),
        ('name = "a"', f"'name' means nothing here: {_TWO}"),
        ("[[clusters]]", f"'clusters' means nothing here: {_TWO}"),
        ("[[cluster]", "it is not TOML: Expected ']]' at the end of an array declaration (at line 1, column 10)"),
        ('{"cluster": []}', "it is not TOML: Invalid statement (at line 1, column 1)"),
        ('a = "\n"', "it is not TOML: Illegal character '\\n' (at line 1, column 6)"),
        (b"\xff\xfe[\0", "it is not UTF-8 text: see its byte 1"),
        (b"#" * (1024 * 1024 + 1), "it is larger than 1048576 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_called_so(file: Path, contents: str | bytes, told: str) -> None:
    assert _refused(file, contents) == [told]


@pytest.mark.parametrize("contents", ["x = " + "[" * 100_000, "x = " + "9" * 100_000])
def test_a_file_that_a_reader_breaks_off_is_called_so(file: Path, contents: str) -> None:
    [line] = _refused(file, contents)
    assert line.startswith("it is not TOML: ")


def test_a_file_that_cannot_be_read_is_called_so(file: Path) -> None:
    for path, why in ((file, "No such file or directory"), (file.parent, "Is a directory")):
        with pytest.raises(CommandError, match=rf"^{path}: it cannot be read: {why}$"):
            _load(path)
    with pytest.raises(CommandError, match=r"^/dev/zero: it is larger than 1048576 bytes$"):
        _load(Path("/dev/zero"))


def test_a_file_of_somebody_else_s_is_called_so(file: Path) -> None:
    file.write_text(_table())
    file.chmod(0)
    own = os.geteuid()
    try:
        os.seteuid(own or 65534)  # the mode stops everybody but root
        with pytest.raises(Unusable, match=r"^it cannot be read: Permission denied$"):
            clusters_file.read(file)
    finally:
        os.seteuid(own)


_ITEM = "Item 1 in the array did not validate:"
_NO_KEY = "A host key is a type and its Base64 text, such as: ssh-ed25519 AAAAC3..."
_OPEN = "Single '{' encountered in format string"
_CUT = "This is no whole key of the type ssh-ed25519: copy all of its line"
_CUT_KEYS = (
    "ssh-ed25519 AAAA",
    "ssh-ed25519 AAAAA",
    _KEY[:-8],
    f"{_KEY}AAAA",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAA==",
)
_NO_ADDRESS = "a host name or an IP address, without brackets, blanks and port"
_NO_ADDRESSES = (
    "127.0.0.1 x",
    " a",
    "a b",
    "[::1]",
    "a:22",
    "300.1.1.1",
    "ssh://a",
    "plg@a",
    "-a",
    "fe80::1%a b",
    "ä",
    "a..b",
    "a" * 64,
)
_NO_ACCOUNT = (
    "an account that jobs can run as: small letters, digits, dots, hyphens and _, a letter or _ first; not root"
)
_NO_ACCOUNTS = ("a b", "root", "Plg", "1000", "-a", "a/b", "a\\n")
_FIELDS = ", ".join(clusters_file.fields())


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("host_key", '"x"', f"'host_key' is no field of a cluster; these are: {_FIELDS}"),
        ("id", "1", f"'id' is no field of a cluster; these are: {_FIELDS}"),
        ("pk", "1", f"'pk' is no field of a cluster; these are: {_FIELDS}"),
        ("polls", "[]", f"'polls' is no field of a cluster; these are: {_FIELDS}"),
        ('"\\u001B[2J"', "1", f"'\\x1b[2J' is no field of a cluster; these are: {_FIELDS}"),
        ("a" * 500, "1", f"'{'a' * 60}...' is no field of a cluster; these are: {_FIELDS}"),
        ("host_keys", f'"{_KEY}"', "host_keys: it has to be a list of texts in brackets, and is a text"),
        ("host_keys", "[[]]", "host_keys: each of its values: it has to be a text in quotes, and is a list"),
        ("host_keys", '["ssh-ed25519"]', f"host_keys: {_ITEM} {_NO_KEY}"),
        *(("host_keys", f'["{key}"]', f"host_keys: {_ITEM} {_CUT}") for key in _CUT_KEYS),
        ("host_keys", f'["ssh-rsa {_KEY.split()[1]}"]', f"host_keys: {_ITEM} {_CUT.replace('ed25519', 'rsa')}"),
        ("host_keys", "[]", "host_keys: it is missing"),
        ("aliases", "[1]", "aliases: each of its values: it has to be a text in quotes, and is a whole number"),
        ("aliases", '["x", "X"]', "aliases: Twice among them: x."),
        ("aliases", '["a b"]', f"aliases: {_ITEM} a host name: letters, digits, dots, hyphens"),
        ("environment", '"x"', "environment: it has to be a table of names and values, and is a text"),
        ("environment", "{A = 1}", "environment: A: a name of letters, digits, _ and a value without blanks or quotes"),
        ("port", '"22"', "port: it has to be a whole number, and is a text"),
        ("port", "true", "port: it has to be a whole number, and is a boolean"),
        ("port", "22.0", "port: it has to be a whole number, and is a number"),
        ("port", "0", "port: Ensure this value is greater than or equal to 1."),
        ("port", "99999999999999999999", "port: Ensure this value is less than or equal to 65535."),
        ("callers", "99999999999999999999", "callers: Ensure this value is less than or equal to 32767."),
        ("callers", "31", "callers_per_account: One account cannot have more callers than all together."),
        ("enabled", '"no"', "enabled: it has to be true or false, and is a text"),
        ("enabled", "1", "enabled: it has to be true or false, and is a whole number"),
        ("job_domain", "2026-01-01", "job_domain: it has to be a text in quotes, and is a date"),
        ("disabled_message", "12:00:00", "disabled_message: it has to be a text in quotes, and is a time"),
        ("disabled_message", '"a\\u0000"', "disabled_message: it holds a NUL character"),
        ("host_keys", '["a\\u0000"]', "host_keys: each of its values: it holds a NUL character"),
        ("time_zone", '"Mars"', "time_zone: Mars is no IANA time zone such as Europe/Warsaw or UTC"),
        ("slurm_bin", '"bin"', "slurm_bin: an absolute path without blanks"),
        ("address", '""', "address: it is missing"),
        *(("address", f'"{address}"', f"address: {_NO_ADDRESS}") for address in _NO_ADDRESSES),
        *(("poll_account", f'"{account}"', f"poll_account: {_NO_ACCOUNT}") for account in _NO_ACCOUNTS),
        ("download_url", "1", "download_url: it has to be a text in quotes, and is a whole number"),
        ("download_url", '"https://x/{pth}"', "download_url: pth is not known here: use {path}, {account}, {job_id}"),
        ("download_url", '"https://x/{"', f"download_url: The braces do not match: {_OPEN}"),
    ],
)  # fmt: skip
def test_a_fault_is_told_by_cluster_and_field(file: Path, field: str, value: str, told: str) -> None:
    contents = _other() + _table(**{field: value})
    assert _refused(file, contents) == [f"cluster 2 ('a.example'): {told}"]


@pytest.mark.parametrize("field", ["address", "job_domain", "host_keys"])
def test_what_is_missing_is_told(file: Path, field: str) -> None:
    assert _refused(file, _table(**{field: None})) == [f"cluster 1 ('a.example'): {field}: it is missing"]


def test_a_cluster_without_a_usable_name_is_told_by_its_number(file: Path) -> None:
    assert _refused(file, _other() + _table(name=None)) == ["cluster 2: name: it is missing"]
    assert _refused(file, _table(name="1")) == ["cluster 1: name: it has to be a text in quotes, and is a whole number"]
    assert _refused(file, _table(name='""')) == ["cluster 1 (''): name: it is missing"]


def test_all_faults_are_told_at_once(file: Path) -> None:
    assert _refused(file, _table(port="0", time_zone='"x"') + _other(address=None)) == [
        "cluster 1 ('a.example'): port: Ensure this value is greater than or equal to 1.",
        "cluster 1 ('a.example'): time_zone: x is no IANA time zone such as Europe/Warsaw or UTC",
        "cluster 2 ('b.example'): address: it is missing",
    ]


def test_faults_of_every_kind_are_told_at_once(file: Path) -> None:
    """A type hides no value, and a value none that is wrong beside others."""
    table = _table(
        port='"22"', address='"a b"', callers="31", download_url='"https://x/{pth}"', time_zone="1", bogus="1",
        host_keys=None, other="1",
    )  # fmt: skip
    assert _refused(file, table) == [
        "cluster 1 ('a.example'): 'bogus' is no field of a cluster; these are: " + _FIELDS,
        "cluster 1 ('a.example'): 'other' is no field of a cluster; these are: " + _FIELDS,
        "cluster 1 ('a.example'): port: it has to be a whole number, and is a text",
        "cluster 1 ('a.example'): time_zone: it has to be a text in quotes, and is a whole number",
        "cluster 1 ('a.example'): host_keys: it is missing",
        f"cluster 1 ('a.example'): address: {_NO_ADDRESS}",
        "cluster 1 ('a.example'): download_url: pth is not known here: use {path}, {account}, {job_id}",
        "cluster 1 ('a.example'): callers_per_account: One account cannot have more callers than all together.",
    ]


@pytest.mark.parametrize("address", ["::1", "fe80::1%eth0", "192.0.2.20", "login", "login_1.example.org", "a.example."])
def test_each_form_of_an_address_is_taken(file: Path, address: str) -> None:
    file.write_text(_table(address=f'"{address}"', poll_account='"plg.poll_1-x"'))
    _load(file)
    assert Cluster.objects.get().address == address


def test_one_name_means_one_cluster(file: Path) -> None:
    twice = "name: another cluster of the file has it"
    assert _refused(file, _table() + _other(name='"A.example"')) == [f"cluster 2 ('A.example'): {twice}"]
    assert _refused(file, _table(aliases='["x"]') + _other(aliases='["X"]')) == [
        "cluster 2 ('b.example'): name and aliases: x already means a.example"
    ]
    assert _refused(file, _table() + _other(job_domain='"a.example"')) == [
        "cluster 2 ('b.example'): job_domain: Cluster with this Job domain already exists."
    ]


def test_keys_may_wait_until_a_cluster_is_enabled(file: Path) -> None:
    file.write_text(_table(host_keys=None, enabled="false"))
    assert _load(file) == "a.example at a port 22\n"
    assert _refused(file, '[[cluster]]\nname = "a.example"\nenabled = true\n') == [
        "cluster 1 ('a.example'): host_keys: it is missing"
    ]
