"""Curves as tables for a terminal and as SVG: one file without scripts or fonts of its own, readable on
a light page and on a dark one."""
import html
import math

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 44, 52
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #8884; stroke-width: 1 }
.line { fill: none; stroke-width: 2.2 }
.c0 { stroke: #0b62c4; fill: #0b62c4 } .c1 { stroke: #b3530a; fill: #b3530a }
.c2 { stroke: #2a7d2e; fill: #2a7d2e } .c3 { stroke: #7a3fb0; fill: #7a3fb0 }
text.c0, text.c1, text.c2, text.c3 { stroke: none } path.line { fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd }
  .c0 { stroke: #6cb2ff; fill: #6cb2ff } .c1 { stroke: #ffb066; fill: #ffb066 }
  .c2 { stroke: #7ddc82; fill: #7ddc82 } .c3 { stroke: #cf9bff; fill: #cf9bff }
}
"""


class Curve:
    """`lines`: {name: [a value for each x]}; both axes are logarithmic."""

    def __init__(self, key, title, x_title, y_title, xs, lines):
        self.key, self.title, self.x_title, self.y_title = key, title, x_title, y_title
        self.xs, self.lines = xs, lines

    def print(self):
        print(f"\n{self.title} ({self.y_title})")
        width = max(len(name) for name in [self.x_title, *self.lines])
        print(f"  {self.x_title:{width}}" + "".join(f"{x:>12,}" for x in self.xs))
        for name, values in self.lines.items():
            print(f"  {name:{width}}" + "".join(f"{v:>12,.4g}" for v in values))

    def as_json(self):
        return {"key": self.key, "title": self.title, "x": self.x_title, "y": self.y_title,
                "xs": self.xs, "lines": self.lines}

    # ---- SVG ----

    def svg(self):
        values = [v for line in self.lines.values() for v in line if v > 0]
        x_range = whole_decades(self.xs)
        y_range = whole_decades(values)
        place = Place(x_range, y_range)
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                 f'width="{WIDTH}" height="{HEIGHT}" role="img"><title>{html.escape(self.title)}'
                 f'</title><style>{STYLE}</style>',
                 text(LEFT, 22, self.title, 'class="title"'),
                 text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, self.x_title,
                      'text-anchor="middle"'),
                 text(LEFT, 38, self.y_title)]
        parts += grid(place, x_range, y_range)
        ends = []
        for number, (name, line) in enumerate(self.lines.items()):
            points = [place.at(x, y) for x, y in zip(self.xs, line) if y > 0]
            if not points:
                continue
            path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            parts.append(f'<path class="line c{number % 4}" d="{path}"/>')
            parts += [f'<circle class="c{number % 4}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
                      for x, y in points]
            ends.append((points[-1][1], number, name))
        parts += labels(ends)
        return "\n".join(parts) + "\n</svg>\n"


class Place:
    """From values to points."""

    def __init__(self, x_range, y_range):
        self.x_range, self.y_range = x_range, y_range

    def at(self, x, y):
        return (LEFT + share(x, self.x_range) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - share(y, self.y_range) * (HEIGHT - TOP - BOTTOM))


def share(value, bounds):
    low, high = (math.log10(b) for b in bounds)
    return (math.log10(value) - low) / (high - low)


def whole_decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return 10.0 ** low, 10.0 ** max(high, low + 1)


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{html.escape(words)}</text>'


def decades(bounds):
    return [10.0 ** n for n in range(round(math.log10(bounds[0])), round(math.log10(bounds[1])) + 1)]


def grid(place, x_range, y_range):
    parts = []
    for x in decades(x_range):
        at = place.at(x, y_range[0])[0]
        parts.append(f'<path class="grid" d="M{at:.1f} {TOP} V{HEIGHT - BOTTOM}"/>')
        parts.append(text(at, HEIGHT - BOTTOM + 18, f"{x:,g}", 'text-anchor="middle"'))
    for y in decades(y_range):
        at = place.at(x_range[0], y)[1]
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f} H{WIDTH - RIGHT}"/>')
        parts.append(text(LEFT - 8, at + 4, f"{y:,g}", 'text-anchor="end"'))
    return parts


def labels(ends):
    """Names beside the ends of their lines, moved apart."""
    parts, last = [], -math.inf
    for y, number, name in sorted(ends):
        last = max(y, last + 16)
        parts.append(text(WIDTH - RIGHT + 10, last + 4, name, f'class="c{number % 4}"'))
    return parts
