"""Turns \\(…\\) and $$…$$ into MathML while the site is built: no script, no network, no fonts."""

import re

from latex2mathml.converter import convert

_MATH = re.compile(r"^```.*?^```|\$\$(?P<block>.+?)\$\$|\\\((?P<inline>.+?)\\\)", re.DOTALL | re.M)


def on_page_markdown(markdown: str, **_: object) -> str:
    return _MATH.sub(_convert, markdown)


def _convert(match: re.Match) -> str:
    if match["block"]:
        return convert(match["block"].strip(), display="block")
    # The span keeps Markdown from taking a paragraph that begins with math for a block.
    return f"<span>{convert(match['inline'])}</span>" if match["inline"] else match[0]
