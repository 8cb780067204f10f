"""The quickstart as one file: tasks, and a program that calls them.

Start a worker in this folder, then run the file:

    umbel -A quickstart worker --concurrency 2
    python quickstart.py
"""

from umbel import Umbel

app = Umbel("quickstart")  # messages and results are kept in umbel.db beside this file


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task(autoretry_for=(ConnectionError,), retry_backoff=True)
def fetch(url: str) -> str:
    return f"the page at {url}"


def main() -> None:
    print("one call:", add.delay(2, 2).get(timeout=10))

    with app.bulk():  # goes out in one step at the end
        calls = [add.delay(number, number) for number in range(10)]
    print("ten calls:", [call.get(timeout=10) for call in calls])

    print("later:", fetch.using(countdown=1).delay("https://example.com/").get(timeout=10))


if __name__ == "__main__":
    main()
