"""The command ``esxforge``: one verb a file, and the one place that turns errors into an exit status."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import typer

from esxforge import __version__
from esxforge.cli import log_file
from esxforge.cli.about import show_help, version
from esxforge.cli.build import build
from esxforge.cli.capture import capture
from esxforge.cli.deploy import deploy, follow
from esxforge.cli.doctor import doctor
from esxforge.cli.failures import UsageError, print_failure, wants_json
from esxforge.cli.help import App
from esxforge.cli.images import app as images_app
from esxforge.cli.inspect import inspect
from esxforge.cli.kickstart import app as kickstart_app
from esxforge.cli.libvirt_xml import libvirt_xml
from esxforge.cli.plan import plan
from esxforge.cli.recipe import app as recipe_app
from esxforge.cli.render import print_error
from esxforge.cli.run import run
from esxforge.cli.selftest import selftest
from esxforge.cli.standin_iso import standin_iso
from esxforge.cli.terminal import filtered_streams
from esxforge.cli.upload import upload
from esxforge.cli.verify import verify
from esxforge.errors import ForgeError, InterruptedRunError

_INTERRUPTED = 130

app = App(
    name="esxforge",
    help="Make VMware ESXi images that MAAS deploys, from the installer ISO.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(desired: bool) -> None:
    if desired:
        typer.echo(f"esxforge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Make VMware ESXi images that MAAS deploys, from the installer ISO."""


app.command()(build)
app.command()(capture)
app.command()(inspect)
app.command()(verify)
app.add_typer(recipe_app, name="recipe")
app.command(rich_help_panel="Development")(standin_iso)
app.add_typer(kickstart_app, name="kickstart")
app.command()(plan)
app.command()(upload)
app.add_typer(images_app, name="images")
app.command()(deploy)
app.command()(follow)
app.command()(doctor)
app.command()(run)
app.command()(libvirt_xml)
app.command()(selftest)
app.command()(version)
app.command("help")(show_help)


def main() -> None:
    """Run the command line. Exit status 0, 1 (it failed, and said why and what to do), 2 (usage) or 130 (Ctrl-C)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the locale, text never ends in a traceback
    with filtered_streams():
        status = _with_json() if wants_json(sys.argv[1:]) else _status(_without_json)
    log = log_file.last()
    if status and log is not None:
        sys.stderr.write(f"  Log: {log}\n")
    sys.exit(status)


def _with_json() -> int:
    """Run the command line; whatever fails is one JSON document on stdout, besides the sentences on stderr."""
    failed: list[BaseException] = []

    def run() -> int | None:
        try:
            status: int | None = app(standalone_mode=False)  # Ctrl-C is 130
        except UsageError as error:
            failed.append(error)
            return _show_usage_error(error)
        except BaseException as error:
            failed.append(error)
            raise
        return status

    try:
        status = _status(run)
    except Exception as error:
        print_failure(error, sys.argv[1:])
        raise
    if failed and not isinstance(failed[0], BrokenPipeError | SystemExit):
        print_failure(failed[0], sys.argv[1:])
    elif status == _INTERRUPTED:
        print_failure(status, sys.argv[1:])
    return status


def _without_json() -> int | None:
    try:
        status: int | None = app(standalone_mode=False)  # Ctrl-C is 130
    except UsageError as error:
        return _show_usage_error(error)
    except typer.Abort:  # a question without an answer
        sys.stderr.write("esxforge: nothing was done.\n")
        return 1
    return status


def _show_usage_error(error: Any) -> int:
    """Print it, without what typer's validation adds, and with arguments as the usage line has them."""
    error.message = error.message.replace("Value error, ", "", 1) if error.message else error.message
    parameter = error.param if hasattr(error, "param") else None
    if parameter is not None and parameter.param_type_name == "argument" and not error.param_hint:
        error.param_hint = (parameter.metavar or parameter.name.upper()).rstrip(".")
    error.show()
    return int(error.exit_code)


def _status(run: Callable[[], Any]) -> int:
    """The exit status of ``run``. What went wrong is said on stderr."""
    try:
        try:
            return int(run() or 0)
        finally:
            sys.stdout.flush()
    except ForgeError as error:
        print_error(error)
        return _INTERRUPTED if isinstance(error, InterruptedRunError) else 1
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("esxforge: interrupted; nothing was left behind.\n")
        return _INTERRUPTED
    except OSError as error:
        # Mostly stdout, on a full disk or with nobody reading any more: files and networks have errors of their own.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries once more at its end
        if error.errno != errno.EPIPE:
            place = f"{error.filename}: " if error.filename else ""
            sys.stderr.write(f"esxforge: {place}{error.strerror or error}.\n")
        return 1
