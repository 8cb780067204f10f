"""Calls that a web application would make: run it beside a worker."""

from celery import chain, chord, group
from library.tasks.covers import catalogue, scan, shrink
from library.tasks.letters import remind
from library.tasks.loans import lend


def main():
    """Call tasks in every way, and print what came of it."""
    print("a loan:", lend.delay("Ida", "Emma").get(timeout=30))

    later = remind.apply_async(kwargs={"reader": "Ida", "title": "Emma"}, countdown=1, expires=600, queue="counter")
    print("a letter, later:", later.ready(), later.get(timeout=30)["attempts"])

    thumbnail = chain(scan.s("Emma"), shrink.s(factor=4))
    print("a chain:", thumbnail.delay().get(timeout=30))

    scans = group(scan.s(title) for title in ("Emma", "Ulysses"))
    print("a group:", [one["title"] for one in scans.delay().get(timeout=30)])

    page = chord([scan.s("Emma") | shrink.s(), scan.s("Ulysses") | shrink.s(100)], catalogue.s("Covers"))
    print("a chord:", page.delay().get(timeout=30))


if __name__ == "__main__":
    main()
