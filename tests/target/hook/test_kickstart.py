"""The user's own password line, handed on so that the installer reads the same words."""

from __future__ import annotations

import pytest

from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.formats.kickstart import words_of
from esxforge_target.hook.kickstart import host_kickstart
from target.plan.configs import sample


@pytest.mark.parametrize("password", ["VMware1!", "Two words 1!", "A#comment1", "Quo\"te's1", "Back\\slash1", "$6$a$b"])
def test_a_password_with_signs_of_the_shell_stays_the_same(password: str) -> None:
    quoted = "'" + password.replace("'", "'\\''") + "'"
    settings = ImageSettings("installer", "8.0.3", accept_eula=True, kickstart=f"rootpw {quoted} # mine\n")
    line = host_kickstart(settings, desired_host_from_config(sample("simple-static"))).root_password
    assert words_of(line + "\n") == ["rootpw", password]
