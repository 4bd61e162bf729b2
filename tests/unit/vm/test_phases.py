"""Progress read from the serial console and the disk's growth."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.vm.phases import SENTENCES, Phase, phase_of

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "growth", "phase"),
    [
        ("", 0, Phase.FIRMWARE),
        ("BdsDxe: loading Boot0001", 0, Phase.FIRMWARE),
        ("Loading /b.b00", 0, Phase.BOOT_LOADER),
        ("Shutting down firmware services...", 0, Phase.BOOT_LOADER),
        ("Relocating modules and starting up the kernel...", 0, Phase.KERNEL),
        ("2024-01-01T00:00:00Z cpu0:131072)Boot: 123", 0, Phase.KERNEL),
        ("cpu1:1)x\nparsing ks.cfg", 0, Phase.INSTALLER),
        ("parsing ks.cfg", 3 * MIB, Phase.INSTALLER),
        ("parsing ks.cfg", 300 * MIB, Phase.WRITING),
        ("", 300 * MIB, Phase.WRITING),
        ("Installation Complete", 300 * MIB, Phase.FINISHED),
    ],
)
def test_phases_are_recognised(text: str, growth: int, phase: Phase) -> None:
    assert phase_of(text, growth) is phase


@given(text=st.text(max_size=200), growth=st.integers(0, 1 << 40), before=st.sampled_from(Phase))
@settings(deadline=None)
def test_a_phase_is_never_taken_back(text: str, growth: int, before: Phase) -> None:
    assert phase_of(text, growth, before) >= before


def test_every_phase_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Phase)
