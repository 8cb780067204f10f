"""The command ``celery``: its sub-commands, options and variables over those of ``umbel``. Does nothing itself."""

import os
import sys
from collections.abc import Sequence
from copy import copy
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

import click

import umbel
from umbel.app import signals
from umbel.app.application import Umbel
from umbel.celery.app.base import Celery
from umbel.celery.app.current import get_current_app
from umbel.celery.version import VERSION_TEXT
from umbel.cli.find import application
from umbel.cli.group import COMMANDS, Root, version_option
from umbel.cli.session import Face, Session, global_options, run, session

OWN = ("call", "result", "purge", "migrate")
"""Commands that do in another way what ``umbel`` does under the same name."""
LATER = {
    "inspect": "Ask workers what they hold (comes later).",
    "control": "Order workers (comes later).",
    "status": "Which workers there are (comes later).",
    "events": "Watch what happens (comes later).",
    "graph": "Draw workers (comes later).",
    "amqp": "Talk to RabbitMQ (comes later).",
    "flower": "The web monitor (comes later).",
}
FIRST = ("worker", "beat", "multi", "call", "result", "purge", "list", "report", "shell", "upgrade", "logtool")
LOADERS = {"app", "default", "celery.loaders.app:AppLoader", "celery.loaders.default:Loader"}
"""Loaders of Celery's own: what they do Umbel does without."""
WITHOUT_APP = ("multi", "upgrade", "logtool")
VERSION = f"{VERSION_TEXT} (umbel {umbel.__version__})"


def default_app() -> Umbel:
    """The application where none is named: with the settings of ``celeryconfig.py``, if there is one."""
    app = get_current_app()
    if "CELERY_CONFIG_MODULE" not in os.environ and find_spec("celeryconfig") is not None:
        app.config_from_object("celeryconfig")
    return app


CELERY = Face(program="celery", module="umbel.celery", is_celery=True, fallback=default_app, environment="CELERY")


def _config(_context: click.Context, _parameter: click.Parameter, module: str | None) -> None:
    """An application that names no configuration of its own takes this one."""
    if module:
        os.environ[Celery.CONFIG] = module


def _loader(_context: click.Context, _parameter: click.Parameter, loader: str | None) -> None:
    if loader and loader not in LOADERS:
        raise click.UsageError(f"--loader {loader}: Umbel loads applications by -A, and has no other loaders")


def _options() -> list[click.Parameter]:
    """The global options: those of ``umbel``, under the variables that Celery reads for them, and two more."""
    options = global_options(is_root=True)
    variables = {
        "app_name": ["APP", "CELERY_APP", "UMBEL_APP"],
        "broker": ["BROKER_URL", "CELERY_BROKER"],
        "result_backend": ["RESULT_BACKEND"],
    }
    for option in options:
        option.envvar = variables.get(str(option.name), option.envvar)
    more = [
        click.Option(
            ["--config"],
            metavar="MODULE",
            envvar="CONFIG_MODULE",
            expose_value=False,
            callback=_config,
            help="Settings.",
        ),
        click.Option(["--loader"], envvar="LOADER", expose_value=False, callback=_loader, hidden=True),
    ]
    return [*options, *more, version_option(VERSION)]


def _with_user_options(command: click.Command) -> click.Command:
    """The command with the options that the application adds: ``app.user_options``.

    It must be named before the command, as Celery wants it: what stands after it is not read yet.
    """
    this = session()
    if this.app is None and (this.app_name is None or ("--workdir" in this.arguments and this.workdir is None)):
        return command
    this.enter()
    app = application()
    added = getattr(app, "user_options", {})
    preload, own = list(added.get("preload", ())), list(added.get(command.name, ()))
    if not preload and not own:
        return command

    def callback(*args: Any, **values: Any) -> Any:
        first = {str(option.name): values.pop(str(option.name), None) for option in preload}
        this.user_options |= {str(option.name): values.pop(str(option.name), None) for option in own}
        if first:
            signals.user_preload_options.send(sender=command.callback, app=app, options=first)
        assert command.callback is not None
        return command.callback(*args, **values)

    extended = copy(command)
    extended.params, extended.callback = [*command.params, *preload, *own], callback
    return extended


def _plugins() -> dict[str, EntryPoint]:
    """Commands that other packages bring, by name."""
    return {point.name: point for point in entry_points(group="celery.commands")}


class CeleryGroup(Root):
    """``celery`` itself."""

    commands_by_name = {
        **{name: COMMANDS[name] for name in FIRST},
        **{name: text for name, text in COMMANDS.items() if name not in ("new", "demo", *FIRST)},
        **LATER,
    }
    homes = {
        **{name: f"umbel.celery.bin.{name}" for name in OWN},
        **dict.fromkeys(LATER, "umbel.celery.bin.later"),
    }
    version = VERSION

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, those of other packages too."""
        return [*self.commands_by_name, *(name for name in _plugins() if name not in self.commands_by_name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; one of another package finds the application in ``context.obj.app``, as with Celery."""
        found = super().get_command(ctx, cmd_name)
        if found is not None and cmd_name not in (*WITHOUT_APP, *LATER):
            return _with_user_options(found)
        plugin = None if found is not None else _plugins().get(cmd_name)
        if plugin is None:
            return found
        try:
            command: click.Command = plugin.load()
        except (ImportError, AttributeError) as error:
            raise click.ClickException(f"the command {cmd_name} of {plugin.value} cannot be loaded: {error}") from error
        this = session()
        this.enter()
        this.app = application()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, of another package too."""
        if args[0] in _plugins():
            return click.Group.resolve_command(self, ctx, args)
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click has it; called from a program, it has a session of its own."""
        extra.setdefault("obj", Session(arguments=tuple(args), face=CELERY))
        return super().make_context(info_name, args, parent, **extra)


@click.pass_context
def _help(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


celery = CeleryGroup(
    "celery",
    help="Umbel's command line under Celery's name. Global options may stand before or after the command.",
    callback=_help,
    params=_options(),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``celery`` with ``argv`` (default: the process's own arguments) and exit with its status."""
    sys.exit(run(celery, sys.argv[1:] if argv is None else list(argv), face=CELERY))
