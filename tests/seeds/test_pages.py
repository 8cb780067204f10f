"""Pages are read by rules: what was saved of them has lost its indentation, and is Python again."""

import ast
import textwrap
from pathlib import Path

import pytest

from tests.interop.environments import ROOT
from tests.seeds.pages import indented, pieces, steps

FILES = sorted((ROOT / "examples" / "library" / "library" / "tasks").glob("*.py"))
PAGE = """\
Work
Some words about it.
Setting up
pip install work
# work/app.py
from work import App
app = App(
"work",
)
# work/jobs.py
def job():
return 1
Advice
- Set `late=True`
and `one=1` always. - Use it.
- Use it.
```python
# Two calls
first()
# and
second()
```more words
"""


def test_a_page_comes_apart() -> None:
    assert [tuple(piece) for piece in pieces(PAGE)] == [
        ("command", "Setting up", "pip install work", ""),
        ("python", "Setting up", 'from work import App\napp = App(\n    "work",\n    )\n', "work/app.py"),
        ("python", "Setting up", "def job():\n    return 1\n", "work/jobs.py"),
        ("bullet", "Advice", "Set `late=True` and `one=1` always.", ""),
        ("bullet", "Advice", "Use it.", ""),
        ("python", "Advice", "# Two calls\nfirst()\n# and\nsecond()\n", ""),
    ]


def test_a_block_has_steps() -> None:
    assert steps("import a\n# One\nb()\nc()\n# Two\nd()\n") == {"": "import a\n", "One": "b()\nc()\n", "Two": "d()\n"}


@pytest.mark.parametrize(
    "block",
    [
        """
        class A(B):
            x = None
            @property
            def y(self):
                if self.x is None:
                    self.x = 1
                return self.x
            def z(self):
                try:
                    self.y()
                except KeyError:
                    raise
                else:
                    return 1
        @of(base=A)
        def f(self):
            return 2
        print(f)
        """,
        """
        def f(x):
            for one in x:
                if one:
                    g(one)
                elif x:
                    h(
                        one,
                        ":",
                    )
                else:
                    pass
        import late
        """,
    ],
)
def test_indentation_is_restored(block: str) -> None:
    original = textwrap.dedent(block)
    found = indented(original.strip().splitlines())
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(original)), found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_indentation_of_tasks_is_restored(path: Path) -> None:
    tree = ast.parse(path.read_text())
    lines = [line for line in ast.unparse(tree).splitlines() if line.strip()]
    assert ast.dump(ast.parse(indented(lines))) == ast.dump(ast.parse(ast.unparse(tree)))
