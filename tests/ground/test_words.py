"""Words of cards and messages: what is escaped in a page, articles, one and many."""

from organics_ode._cards import Card
from organics_ode._cards._card import as_html
from organics_ode._checks import a_or_an, counted


def test_what_is_written_is_escaped_in_a_page():
    card = Card("<a>", {"b": "1 < 2"}, ("x",), [("&", 1)], notes=["<c>"])
    page = as_html(card)
    assert "&lt;a&gt;" in page and "1 &lt; 2" in page and "&amp;" in page and "&lt;c&gt;" in page


def test_the_article_is_the_one_that_is_spoken():
    named = "an ORGaNICs, an LSTM, a GRU, a RateNetwork, an Euler, an RNNCell, an int, a unit"
    named += ", an ndarray, a str"
    for each in named.split(", "):
        assert a_or_an(each.split()[1]) == each


def test_one_is_singular():
    assert [counted(n, "event") for n in (0, 1, 2)] == ["0 events", "1 event", "2 events"]
    assert counted(3, "entry", "entries") == "3 entries"
