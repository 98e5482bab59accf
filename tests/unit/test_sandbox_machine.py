"""What several checkouts on one machine share."""

import socket
from pathlib import Path

import pytest

from sandbox import layout, machine
from sandbox.layout import Layout

PORT = 28_000


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A register of checkouts of its own, with few ports to give."""
    monkeypatch.setattr(machine, "MACHINE_STATE", tmp_path / "machine")
    monkeypatch.setattr(machine, "FIRST_PORT", PORT)
    monkeypatch.setattr(machine, "LAST_PORT", PORT + 3 * machine.BLOCK)
    return tmp_path


def checkout(parent: Path, name: str) -> Layout:
    (parent / name / ".local").mkdir(parents=True)
    return layout.of(parent / name)


def test_two_checkouts_have_no_port_in_common(shared: Path) -> None:
    first, second = (machine.register(checkout(shared, name)) for name in ("first", "second"))

    assert not set(first.values()) & set(second.values())
    assert set(first) == set(second) == set(machine.PORT_NAMES)


def test_the_ports_of_a_checkout_stay(shared: Path) -> None:
    place = checkout(shared, "only")

    assert machine.register(place) == machine.register(place) == machine.ports(place)


@pytest.mark.usefixtures("shared")
def test_a_block_in_which_somebody_listens_is_passed_over() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", PORT + 3))
        listener.listen()

        assert machine.free_block(set()) == PORT + machine.BLOCK


@pytest.mark.usefixtures("shared")
def test_it_is_said_when_no_block_is_free() -> None:
    taken = {PORT + number * machine.BLOCK for number in range(3)}

    with pytest.raises(machine.NoFreePorts):
        machine.free_block(taken)


def test_only_the_last_living_checkout_leaves_nobody_behind(shared: Path) -> None:
    first, second = checkout(shared, "first"), checkout(shared, "second")
    machine.register(first)
    machine.register(second)

    assert not machine.unregister(first)
    assert machine.unregister(second)


def test_a_checkout_that_vanished_does_not_count(shared: Path) -> None:
    gone, left = checkout(shared, "gone"), checkout(shared, "left")
    machine.register(gone)
    machine.register(left)
    gone.state.rmdir()

    assert machine.unregister(left)
