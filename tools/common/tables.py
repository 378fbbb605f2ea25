"""Small tables that show themselves, in a notebook and in a terminal."""

from html import escape

NARROW = "style='text-align:right;padding:2px 8px'"


def html(header, rows) -> str:
    """A table of texts, the first column's to the left."""
    head = "".join(f"<th {NARROW}>{escape(one)}</th>" for one in header)
    body = "".join(
        f"<tr><th scope='row' style='text-align:left'>{escape(first)}</th>"
        + "".join(f"<td {NARROW}>{escape(one)}</td>" for one in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def plain(header, rows) -> str:
    """As `html`, in letters of one width."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]).rstrip() for first, *rest in lines
    )


class Table:
    """What gives `header` and `rows`, texts, and is shown as a table of them."""

    def __repr__(self):
        return plain(*self.cells())

    def _repr_html_(self):
        return html(*self.cells())

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows."""
        raise NotImplementedError


def markdown(cells) -> str:
    """Rows of cells, the first the head's, as a table."""
    head, *rows = cells
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


LATEX = str.maketrans({one: f"\\{one}" for one in "&%$#_{}"} | {"±": "$\\pm$", "~": "\\textasciitilde{}"})


def latex(cells) -> str:
    """As `markdown`, in LaTeX, for the package booktabs."""
    head, *rows = [[cell.replace("\\", "\\textbackslash{}").translate(LATEX) for cell in row] for row in cells]
    lines = ["\\toprule", *(f"{' & '.join(row)} \\\\" for row in [head]), "\\midrule"]
    lines += [f"{' & '.join(row)} \\\\" for row in rows]
    columns = "l" + "r" * (len(head) - 1)
    return "\n".join([f"\\begin{{tabular}}{{{columns}}}", *lines, "\\bottomrule", "\\end{tabular}", ""])
