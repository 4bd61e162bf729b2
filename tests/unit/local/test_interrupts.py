"""Ctrl-C that is put off, and SIGTERM that is treated like it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from esxforge.local.interrupts import put_off, termination_as_interrupt


@pytest.fixture(autouse=True)
def _default_handlers() -> Iterator[None]:
    """nohup starts the tests with SIGHUP ignored, and esxforge leaves ignored signals alone."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_interrupt_arrives_after_the_block_and_not_within() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), put_off():
        signal.raise_signal(signal.SIGINT)
        reached.append("the end")
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_several_interrupts_are_one() -> None:
    with pytest.raises(KeyboardInterrupt), put_off():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_without_an_interrupt_nothing_happens() -> None:
    with put_off():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nested_blocks_put_it_off_to_the_outermost_end() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), put_off():
        with put_off():
            signal.raise_signal(signal.SIGINT)
        reached.append("between")
    assert reached == ["between"]


def test_an_ignored_interrupt_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with put_off():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_ends_the_block_by_an_exception(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_termination_is_put_off_too() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt(), put_off():
        signal.raise_signal(signal.SIGTERM)
        reached.append("the end")
    assert reached == ["the end"]


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with termination_as_interrupt():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_left_alone() -> None:
    problems: list[BaseException] = []

    def work() -> None:
        try:
            with termination_as_interrupt(), put_off():
                pass
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not problems


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_is_put_off_like_ctrl_c(number: signal.Signals) -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt(), put_off():
        signal.raise_signal(number)
        reached.append("the end")
    assert reached == ["the end"]
