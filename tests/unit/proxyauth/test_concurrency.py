"""One door, many threads and processes, and files that change under them."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from proxyauth import conf
from proxyauth.authenticator import ProxyAuthenticator
from proxyauth.identity import Identity
from tests.pki import grid
from tests.unit.proxyauth.conftest import Site


def _account(door: ProxyAuthenticator, header: str) -> str:
    verdict = door.authenticate(header)
    return verdict.account if isinstance(verdict, Identity) else verdict.rule


def test_threads_see_one_version_or_the_other_and_never_a_third(site: Site) -> None:
    door, headers, stop = ProxyAuthenticator(conf.read()), [site.header() for _ in range(4)], threading.Event()

    def rewrite() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            fresh = site.gridmap.with_name("fresh")
            fresh.write_text(f'"{grid.ALICE}" {"plgalice" if number % 2 else "other"}\n')
            fresh.replace(site.gridmap)
            (site.trust_dir / "ffffffff.signing_policy").write_text(f"# {number}\n")

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            seen = set(pool.map(lambda number: _account(door, headers[number % 4]), range(800)))
    finally:
        stop.set()
        writer.join()
    assert seen == {"plgalice", "other"}
    site.gridmap.write_text("# nobody\n")
    assert {_account(door, header) for header in headers} == {"dn-unmapped"}


def test_a_forked_process_has_the_same_door(site: Site) -> None:
    door, header = ProxyAuthenticator(conf.read()), site.header()
    assert _account(door, header) == "plgalice"
    child = os.fork()
    if child == 0:
        os._exit(0 if _account(door, header) == "plgalice" and _account(door, header[4:]) != "plgalice" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
