"""The page of one tab: sliders, buttons, pictures, and the text beside them."""

import html
from typing import Any, final

from bokeh.document import Document
from bokeh.events import ConnectionLost
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    ColumnDataSource,
    CustomJS,
    Div,
    PreText,
    RadioButtonGroup,
    Slider,
    Toggle,
)

from ._figures import HEIGHT, MOVED, WIDTH, Pictures
from ._presets import PRESETS, Preset
from ._script import script
from ._view import View, view

_LEFT = 290
_LOST = """
words.text = '<b>The explorer has ended.</b> Start it again, then reload this page.'
"""
_COPY = "navigator.clipboard.writeText(text.text)"


@final
class Tab:
    """What one tab shows: a preset at first, then the values that its sliders were moved to."""

    def __init__(self, document: Document):
        self.document = document
        self.presets = RadioButtonGroup(
            labels=[preset.name for preset in PRESETS], active=0, name="presets"
        )
        self.hint = Div(width=WIDTH - 10, name="hint")
        self.words = Div(width=WIDTH - 10, name="words")
        self.moved = ColumnDataSource(name="moved")
        self.follow = CustomJS(code=MOVED)
        self.words.tags = [self.moved]  # bokeh does not send a model that nothing refers to
        self.code = PreText(visible=False, name="code", width=2 * WIDTH)
        self.copy = Button(label="Copy", visible=False, name="copy", width=90)
        self.toggle = Toggle(label="Show the Python", name="python", width=160)
        self.sliders, self.grid = column(width=_LEFT), column()
        self.values: dict[str, float] = {}
        self.is_due = False
        self._connect()
        self._choose(PRESETS[0])
        buttons = row(self.toggle, self.copy)
        whole = column(self.presets, row(self.sliders, self.grid), buttons, self.code)
        document.title = "organics_ode explorer"
        document.add_root(whole)

    def _connect(self) -> None:
        self.presets.on_change("active", lambda attr, old, new: self._choose(PRESETS[new]))
        self.toggle.on_change("active", lambda attr, old, new: self._show_code())
        self.copy.js_on_click(CustomJS(args={"text": self.code}, code=_COPY))
        self.moved.js_on_change("tags", self.follow)
        lost = CustomJS(args={"words": self.words}, code=_LOST)
        self.document.js_on_event(ConnectionLost, lost)

    def _choose(self, preset: Preset) -> None:
        """Show the sliders and the pictures of a preset."""
        self.preset, self.values = preset, dict(preset.values)
        self.hint.text = f"<b>{preset.name}.</b> {html.escape(preset.says)}"
        self.pictures = Pictures(preset.model)
        models = {"words": self.words, "moved": self.moved, "models": self.pictures.named()}
        self.follow.args = models
        self.sliders.children = [self._slider(knob) for knob in preset.model.knobs]
        self._draw(is_first=True)
        words = column(self.hint, self.words, width=WIDTH, height=HEIGHT)
        time, plane, *others = self.pictures.axes.values()
        self.grid.children = [column(row(time, plane, words), row(*others))]

    def _slider(self, knob: Any) -> Slider:
        slider = Slider(
            start=knob.low,
            end=knob.high,
            step=knob.step,
            value=self.values[knob.name],
            title=f"{knob.name}, {knob.says}",
            name=f"knob {knob.name}",
            width=_LEFT - 20,
            format="0[.]00",
        )
        slider.on_change("value", lambda attr, old, new: self._move(knob.name, new))
        return slider

    def _move(self, name: str, value: float) -> None:
        """Draw again after reading all that has arrived: several values may be waiting while a
        slider is dragged."""
        self.values[name] = float(value)
        if not self.is_due:
            self.is_due = True
            self.document.add_next_tick_callback(self._draw)

    def _draw(self, is_first: bool = False) -> None:
        self.is_due = False
        seen = view(self.preset.model, self.values)
        self.stable = None if seen.chosen is None else tuple(seen.points[seen.chosen].tolist())
        text = words(self.preset, seen)
        if is_first:
            self.pictures.show(seen)
            self.words.text = text
        else:
            self.moved.tags = [*self.pictures.changes(seen), text]
        self._show_code()

    def _show_code(self) -> None:
        shown = bool(self.toggle.active)
        self.code.visible = self.copy.visible = shown
        if shown:
            self.code.text = script(self.preset.model, self.values, self.stable)


def words(preset: Preset, seen: View) -> str:
    """The fixed points and remarks, as HTML."""
    names = preset.model.variables
    lines = []
    for point, kind in zip(seen.points, seen.kinds, strict=True):
        at = ", ".join(f"{n} = {v:.3g}" for n, v in zip(names, point, strict=True))
        lines.append(f"<li><b>{kind}</b>: {at}</li>")
    said = [f"Power of {names[0]} is highest at {seen.peak:.3g} Hz."] * (seen.peak > 0)
    said += seen.remarks
    told = "".join(f"<p style='margin: 4px 0'>{html.escape(each)}</p>" for each in said)
    return f"<ul style='margin: 4px 0; padding-left: 18px'>{''.join(lines)}</ul>{told}"
