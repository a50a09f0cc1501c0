"""The pictures of the page: bokeh figures, each fed by a source of columns."""

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, PrintfTickFormatter, Range1d, Span
from bokeh.plotting import figure

from .._axes import BLUE, GREEN, ORANGE, RED
from ._columns import columns, limits
from ._models import Model
from ._view import View

WIDTH, HEIGHT = 430, 300
# All that a move changes comes in one message, so that each picture is painted once, and nothing is
# sent back. The message names sources and axes: if it held them, bokeh would search the whole
# document. Only the text is replaced: bokeh would lay out the whole page again for every move.
MOVED = """
const [numbers, filled, ranges, text] = moved.tags
const flat = Float64Array.from(numbers)
const named = new Map(models)
for (const [source, parts, words] of filled) {
  const data = new Map(words)
  for (const [name, start, end] of parts) data.set(name, flat.slice(start, end))
  named.get(source).setv({data}, {sync: false})
}
for (const [axis, start, end] of ranges) named.get(axis).setv({start, end}, {sync: false})
words.setv({text}, {silent: true, sync: false})
const view = Bokeh.index.find_one(words)
if (view != null) view.markup_el.innerHTML = text
"""
_FLOW = "#b0b0b0"
_MARKS: dict[str, Any] = {"marker": "marker", "fill_color": "fill", "line_color": "black"}
_MARKS |= {"size": 11, "line_width": 2}
# The response and the modulator of each unit: colours of different lightness, and dashed lines.
_STYLES = ((BLUE, "solid"), (BLUE, "dashed"), (ORANGE, "solid"), (ORANGE, "dashed"))
_TICKS = [0.01, 0.03, 0.1, 0.3, 1.0]  # of contrast
_WORDS = {"marker", "fill"}
_SOURCES = ("course", "arrows", "nullclines", "points", "eigenvalues", "powers", "contrast")


class Pictures:
    """The figures of one tab for one model, which are updated again and again."""

    def __init__(self, model: Model):
        self.model = model
        kinds = columns(model, None)
        self.sources = {name: ColumnDataSource(kinds[name], name=name) for name in _SOURCES}
        self.axes = {
            "time": self._responses(),
            "plane": self._plane() if model.is_planar else self._contrast(),
            "eigenvalues": self._eigenvalues(),
            "power": self._power(),
            "energy": self._energy(),
        }

    def show(self, seen: View) -> None:
        """Draw a view for the first time."""
        for name, data in columns(self.model, seen).items():
            self.sources[name].data = data
        for name, (across, up) in limits(self.model, seen).items():
            shown = self.axes[name]
            for range_, (start, end) in ((shown.x_range, across), (shown.y_range, up)):
                range_.update(start=start, end=end)

    def named(self) -> list[Any]:
        """The sources and axes by the names that `changes` has for them."""
        ranges = [
            [f"{name} {i}", each]
            for name, shown in self.axes.items()
            for i, each in enumerate((shown.x_range, shown.y_range))
        ]
        return [*map(list, self.sources.items()), *ranges]

    def changes(self, seen: View) -> list[Any]:
        """What `MOVED` reads: all numbers as one array, since each array is two messages, and of
        each source its columns, which are parts of that array or lists of words; and the ends of
        the axes."""
        flat, filled, ranges, end = [], [], [], 0
        for source, data in columns(self.model, seen).items():
            words, parts = [], []
            for name, each in data.items():
                if name in _WORDS:
                    words.append([name, list(each)])
                    continue
                start, end = end, end + len(each)
                parts.append([name, start, end])
                flat.append(each)
            filled.append([source, parts, words])
        for name, both in limits(self.model, seen).items():
            ranges += [[f"{name} {i}", *ends] for i, ends in enumerate(both)]
        return [np.concatenate(flat), filled, ranges]

    def _lines(self, shown: Any, source: str, across: str, place: str = "top_right") -> Any:
        n = len(self.model.responses)
        for i, name in enumerate(self.model.variables):
            colour, dash = _STYLES[2 * (i % n) + i // n]
            style = {"line_color": colour, "line_dash": dash, "line_width": 2}
            given = self.sources[source]
            shown.line(across, name, source=given, legend_label=name, **style)
        return _with_legend(shown, place)

    def _responses(self) -> Any:
        return self._lines(_axes("Response", "time (ms)", "state"), "course", "t")

    def _plane(self) -> Any:
        first, second = self.model.variables
        shown, flow = _axes("Phase portrait", first, second), self.sources["arrows"]
        shown.line("u", "v", source=flow, line_color=_FLOW)
        for name, colour, dash in ((first, BLUE, "solid"), (second, RED, "dashed")):
            style = {"line_color": colour, "line_dash": dash, "line_width": 2}
            words = {"legend_label": f"d{name}/dt = 0"}
            given = self.sources["nullclines"]
            shown.line(f"u_{name}", f"v_{name}", source=given, **style, **words)
        given = self.sources["course"]
        shown.line(first, second, source=given, line_color="black", legend_label="response")
        shown.scatter("u", "v", source=self.sources["points"], **_MARKS)
        return _with_legend(shown, "top_left")

    def _contrast(self) -> Any:
        shown = _axes("Response over contrast", "contrast of the stimulus", "y1 at rest", x="log")
        lines = (("masked", BLUE, "solid", "with the mask"), ("alone", RED, "dashed", "without"))
        for name, colour, dash, label in lines:
            style = {"line_color": colour, "line_dash": dash, "line_width": 2}
            given = self.sources["contrast"]
            shown.line("contrast", name, source=given, legend_label=label, **style)
        shown.scatter("u", "v", source=self.sources["points"], **_MARKS)
        shown.xaxis.ticker = FixedTicker(ticks=_TICKS, minor_ticks=[])
        shown.xaxis.formatter = PrintfTickFormatter(format="%g")
        return _with_legend(shown, "top_left")

    def _eigenvalues(self) -> Any:
        shown = _axes(
            "Eigenvalues (filled: of a stable point)", "real part (1/ms)", "imaginary part (1/ms)"
        )
        shown.add_layout(Span(location=0, dimension="height", line_width=1, line_dash="dashed"))
        shown.scatter("real", "imag", source=self.sources["eigenvalues"], **_MARKS)
        return shown

    def _power(self) -> Any:
        words = ("Power in white noise, stable point", "frequency (Hz)", "power (1/Hz)")
        return self._lines(_axes(*words, x="log", y="log"), "powers", "frequency", "bottom_left")

    def _energy(self) -> Any:
        shown = _axes("Energy about the stable point", "time (ms)", "energy", y="log")
        shown.line("t", "energy", source=self.sources["course"], line_width=2, line_color=GREEN)
        return shown


def _axes(title: str, across: str, up: str, *, x: str = "linear", y: str = "linear") -> Any:
    options: dict[str, Any] = {"x_axis_type": x, "y_axis_type": y, "title": title}
    options |= {
        "x_range": Range1d(start=0.1, end=1),
        "y_range": Range1d(start=0.1, end=1),
        "tools": "",
    }
    shown: Any = figure(width=WIDTH, height=HEIGHT, toolbar_location=None, **options)
    shown.xaxis.axis_label, shown.yaxis.axis_label = across, up
    shown.axis.axis_label_text_font_style = "normal"
    shown.axis.axis_label_text_font_size = "13px"
    shown.axis.major_label_text_font_size = "12px"
    shown.title.text_font_size = "14px"
    shown.grid.grid_line_color = "#eeeeee"
    return shown


def _with_legend(shown: Any, place: str) -> Any:
    shown.legend.location = place
    shown.legend.label_text_font_size = "12px"
    shown.legend.spacing, shown.legend.padding, shown.legend.margin = 0, 4, 4
    shown.legend.background_fill_alpha = 0.7
    shown.legend.border_line_alpha = 0
    return shown
