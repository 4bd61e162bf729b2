"""boot.cfg as the loaders read it, held against real files and against the product's own reading."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.formats.boot_cfg import BootCfg
from standin.system.boot_cfg import (
    INVALID,
    NOT_FOUND,
    SYNTAX,
    UPGRADING,
    VALID,
    Bank,
    LoaderError,
    bank_of,
    choose_bank,
    mboot_configuration,
    with_state,
)

SAMPLES = sorted((Path(__file__).parents[2] / "data" / "boot-cfg").glob("installer-*.cfg"))


def paths(text: str, path: str = "/EFI/BOOT/boot.cfg") -> list[str]:
    return [file.path for file in mboot_configuration(text.encode(), path).files]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_it_finds_what_the_product_finds_in_real_files(sample: Path) -> None:
    data = sample.read_bytes()
    ours = BootCfg.parse(data)
    found = mboot_configuration(data, "/boot.cfg")
    assert found.command_line.split() == ours.kernelopt
    assert [file.path for file in found.files] == [f"/{path.lstrip('/')}" for path in ours.files("")]


def test_relative_names_stand_beside_boot_cfg_unless_there_is_a_prefix() -> None:
    assert paths("kernel=b.b00\nmodules=k.b00\n") == ["/EFI/BOOT/b.b00", "/EFI/BOOT/k.b00"]
    assert paths("prefix=\nkernel=b.b00\n") == ["/EFI/BOOT/b.b00"]
    assert paths("prefix=/\nkernel=b.b00\nmodules=sub//k.b00\n") == ["/b.b00", "/sub/k.b00"]
    assert paths("prefix=/x\nkernel=/b.b00\nmodules=k.b00\n") == ["/b.b00", "/x/k.b00"]
    assert paths("kernel=b.b00\n", "/boot.cfg") == ["/b.b00"]


def test_modules_have_options_and_empty_items_are_skipped() -> None:
    found = mboot_configuration(b"kernel=/b\nmodules=/a one two --- --- /c ---\n", "/boot.cfg")
    assert [(file.path, file.options) for file in found.files[1:]] == [("/a", "one two"), ("/c", "")]


def test_keys_count_in_any_case_the_last_one_wins_and_comments_do_not() -> None:
    assert paths("KERNEL=/a\nkernel=/b\n#kernel=/c\nnonsense\nfoo=bar\n") == ["/b"]


def test_a_blank_before_the_sign_hides_a_key_and_an_abbreviation_finds_it() -> None:
    # vmware/esx-boot, bootlib/parse.c, locate_value: it compares as many letters as stand before the sign.
    with pytest.raises(LoaderError, match="must be set"):
        paths("kernel =/a\n")
    assert paths("kernel= /a\nmod=/b\n") == ["/a", "/b"]


def test_no_kernel_and_no_number_end_the_boot() -> None:
    with pytest.raises(LoaderError, match="kernel=<FILEPATH> must be set") as error:
        paths("title=x\n")
    assert error.value.number == SYNTAX
    assert error.value.last_words == "Fatal error: 32 (Syntax)"
    with pytest.raises(LoaderError, match="not a number"):
        paths("kernel=/a\ntimeout=five\n")
    assert LoaderError(NOT_FOUND, "").last_words == "Fatal error: 15 (Not found)"


def test_a_command_line_that_the_kernel_cannot_take_ends_the_boot() -> None:
    with pytest.raises(LoaderError, match="longer than 4096"):
        paths(f"kernel=/a\nkernelopt={'x' * 4096}\n")


@given(st.binary(max_size=400))
def test_no_input_ends_in_anything_but_a_configuration_or_a_loaders_error(data: bytes) -> None:
    with suppress(LoaderError):
        mboot_configuration(data, "/boot.cfg")
    with suppress(LoaderError):
        bank_of(data)


def test_the_bank_with_the_highest_counter_is_booted_if_it_can_be() -> None:
    good, newer = Bank("8.0.3", 1, VALID), Bank("8.0.3", 2, VALID)
    assert choose_bank([good, newer]) == 1
    assert choose_bank([newer, good]) == 0
    assert choose_bank([good, Bank("", 9, VALID)]) == 0
    assert choose_bank([good, Bank("8.0.3", 9, INVALID)]) == 0
    assert choose_bank([Bank("8.0.3", 0, VALID)]) is None
    assert choose_bank([]) is None


def test_an_upgrade_gets_one_try() -> None:
    bank = bank_of(b"bootstate=1\nbuild=8.0.3\nupdated=3\n")
    assert bank.state == UPGRADING
    assert bank.bootable
    dirty = bank_of(with_state(b"bootstate=1\nbuild=8.0.3\nupdated=3\n", bank.state_after))
    assert not dirty.bootable
    assert dirty.state_after == INVALID
    assert with_state(b"title=bootstate\n bootstate = 1\n", 2) == b"title=bootstate\n bootstate = 2\n"
