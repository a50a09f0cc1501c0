"""What is printed can be printed on any console: all texts are in Latin-1, which cp1252 has too."""

import ast
from pathlib import Path

from cases import for_each
from texts import check_printable

import organics_ode as oo

ROOT = Path(__file__).parents[2]
MODULES = [path for name in ("organics_ode", "tasks") for path in (ROOT / name).rglob("*.py")]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def texts(tree):
    """The texts of a module but its docstrings."""
    nodes = list(ast.walk(tree))
    statements = [s for node in nodes if isinstance(node, DOCUMENTED) for s in node.body]
    docstrings = {id(s.value) for s in statements if isinstance(s, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield from [node.value] if isinstance(node.value, str) else []


def messages(tree):
    """The texts that a module only tells, where it also draws some."""
    for node in ast.walk(tree):
        is_refusal = isinstance(node, ast.Call) and ast.unparse(node.func) == "refuse"
        is_part = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("must", "found")
        if is_refusal or is_part or isinstance(node, ast.Raise):
            yield from texts(node)


@for_each(MODULES)
def test_every_text_of_the_library_can_be_printed(path):
    found = messages if path.parent.name == "plot" else texts
    for text in found(ast.parse(path.read_text(encoding="utf-8"))):
        check_printable(text)


def test_the_scan_sees_messages_and_no_docstrings():
    tree = ast.parse('def f():\n    "σ"\n    ax.set(x="τ")\n    raise ValueError(f"Δ {x}")\n')
    assert list(texts(tree)) == ["τ", "Δ "] and list(messages(tree)) == ["Δ "]


@for_each(oo.pretrained_names())
def test_every_card_can_be_printed(name):
    check_printable(str(oo.model_card(name)))
