"""``celery purge``: as Celery has it, which deletes from the declared queues and says it in its own words."""

import click

from umbel.broker.base import Admin
from umbel.cli.desk import ask, names, purge
from umbel.cli.find import application
from umbel.cli.group import Command

QUESTION = """\
WARNING: This will remove all tasks from {queues}: {names}.
         There is no undo for this operation!

(to skip this prompt use the -f option)
Are you sure you want to delete all tasks?"""


@click.command("purge", cls=Command)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-Q", "--queues", help="Only these (a,b).")
@click.option("-X", "--exclude-queues", help="All but these (a,b).")
def command(force: bool, queues: str | None, exclude_queues: str | None) -> int:
    """Delete the messages that wait in the declared queues. What a worker holds stays."""
    app = application()
    chosen = sorted(set(names(queues) or app.queues_by_name) - set(names(exclude_queues)))
    if not chosen:
        return 0
    word = "queue" if len(chosen) == 1 else "queues"
    if not force and not click.confirm(QUESTION.format(queues=word, names=", ".join(chosen))):
        click.echo("Aborted!", err=True)
        return 1

    async def purge_all(keeper: Admin) -> int:
        return sum([await purge(keeper, name) for name in chosen])

    if count := ask(app, purge_all):
        click.echo(f"Purged {count} message{'s' * (count != 1)} from {len(chosen)} known task {word}.")
    else:
        click.echo(f"No messages purged from {len(chosen)} {word}.")
    return 0
