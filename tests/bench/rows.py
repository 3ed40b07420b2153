"""One row of what is measured: what, against what, its ratio in each round, and what to reach for."""
import dataclasses
import statistics

OPERATORS = {"<=": lambda value, limit: value <= limit, ">=": lambda value, limit: value >= limit}


@dataclasses.dataclass
class Row:
    """`values` are ratios, one of each round; with a unit they are differences or amounts in it."""
    key: str            # the same in every run: runs are compared by it
    what: str
    against: str
    values: list
    aim: tuple = None   # (<= or >=, limit)
    unit: str = "x"
    figure: str = ""    # the measured thing itself, for people

    @property
    def value(self):
        return statistics.median(self.values)

    @property
    def reached(self):
        if self.aim is None:
            return None
        return OPERATORS[self.aim[0]](self.value, self.aim[1])

    def spread(self):
        if len(self.values) == 1:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} ({min(self.values):.3g}-{max(self.values):.3g})"

    def as_json(self):
        return {"key": self.key, "what": self.what, "against": self.against, "values": self.values,
                "median": self.value, "unit": self.unit, "aim": self.aim, "reached": self.reached,
                "figure": self.figure}


def ratios(left, right):
    """Of one round each: what slows a round down slows both."""
    return [a / b for a, b in zip(left, right) if b]


def middle(values, form=",.0f"):
    return format(statistics.median(values), form)


def print_rows(rows, before=None):
    """`before`: {key: median} of another run, or None."""
    lines = [("what", "against", "figure", "ratio (range)", "aim", "reached")]
    for row in rows:
        aim = f"{row.aim[0]} {row.aim[1]:g}" if row.aim else ""
        told = {True: "yes", False: "NO", None: ""}[row.reached]
        if before and before.get(row.key):
            told += f"  {row.value / before[row.key]:.2f} of before"
        unit = "" if row.unit == "x" else f" {row.unit}"
        lines.append((row.what, row.against, row.figure, row.spread() + unit, aim, told))
    widths = [max(len(line[n]) for line in lines) for n in range(6)]
    print()
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
