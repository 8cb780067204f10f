"""The root of the command line: which commands there are, and how each is found without importing the others."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

import umbel
from umbel.app.nearest import advice
from umbel.cli.session import Session, global_options

COMMANDS = {
    "worker": "Run a worker.",
    "multi": "Start, stop and restart many workers in the background.",
    "beat": "Publish what is due: periodic tasks.",
    "dev": "Run a worker that is restarted when a file is saved.",
    "workers": "The workers: what each does, and when it last reached the broker.",
    "health": "Ask a worker of this machine how it is, for probes.",
    "new": "Write a first tasks.py.",
    "call": "Call a task.",
    "result": "Show the result of a call.",
    "queues": "What waits, per queue.",
    "schedules": "What beat calls and when: look, set, pause, trigger.",
    "tasks": "The tasks that the application knows; revoke calls of them.",
    "workflows": "Chains, groups and chords as one thing: look, revoke, retry.",
    "dead": "Dead letters: look, send again, delete.",
    "purge": "Delete what waits.",
    "migrate": "Carry what waits to another broker.",
    "leave": "Give everything back to Celery.",
    "list": "List the bindings of queues.",
    "shell": "Python with the application and its tasks at hand.",
    "logtool": "What the log files of workers say.",
    "upgrade": "Rename settings that have names of Celery's past.",
    "report": "Versions, platform and settings, for a bug report.",
    "demo": "The main job on real files, with a process killed half-way.",
}

WELCOME = """\
Umbel {version}, a task queue: call a function here, and a worker runs it there.
No server is needed to begin, and a process that dies loses nothing.

  umbel demo      see it work on real files, with a process killed half-way
  umbel new       write a first tasks.py
  umbel --help    every command"""


class Command(click.Command):
    """A command that takes the global options too, and acts upon them before it runs."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.extend(global_options(is_root=False))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command in the session's folder."""
        enter(ctx)
        return super().invoke(ctx)


class Group(click.Group):
    """A command with commands of its own; alone it does what its function says."""

    command_class = Command

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **{"invoke_without_command": True, **attributes})
        self.params.extend(global_options(is_root=False))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command in the session's folder."""
        enter(ctx)
        return super().invoke(ctx)


class Root(click.Group):
    """``umbel`` itself. A command's module is imported when the command is asked for, so that help is quick."""

    commands_by_name: Mapping[str, str] = COMMANDS
    """What each does, by name, in the order in which a newcomer needs them."""
    homes: Mapping[str, str] = {}
    """Modules of commands that are not in this package."""
    version = umbel.__version__

    def __init__(self, name: str = "umbel", **attributes: Any) -> None:
        settings = {
            "help": "A distributed task queue with Celery's API. Global options may stand before or after the command.",
            "callback": welcome,
            "params": [*global_options(is_root=True), version_option(self.version)],
            **attributes,
        }
        super().__init__(
            name,
            invoke_without_command=True,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
            **settings,
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.commands_by_name:
            return None
        command = importlib.import_module(self.homes.get(cmd_name, f"umbel.cli.{cmd_name}")).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        known = self.commands_by_name
        if args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}{advice(args[0], known) or f'; {self.name} --help lists them'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands_by_name.get(name, "")) for name in self.list_commands(ctx)])


def enter(context: click.Context) -> None:
    """Act upon the global options, once."""
    this = context.find_object(Session)
    if this is not None:
        this.enter()


def version_option(version: str) -> click.Option:
    """``--version``."""

    def show(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            click.echo(version)
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Print the version."
    )


@click.pass_context
def welcome(context: click.Context) -> None:
    """What ``umbel`` says when it is given nothing to do."""
    if context.invoked_subcommand is None:
        click.echo(WELCOME.format(version=umbel.__version__))


root = Root()
