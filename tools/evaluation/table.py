"""Measured systems as a table that shows itself."""

from tools.common.progress import LISTS, SHOWN
from tools.common.tables import Table


class Evaluation(dict, Table):
    """Systems measured side by side: name -> what `metrics.json` has of it. Shown are percent, and 95 % intervals."""

    __repr__ = Table.__repr__

    def cells(self):
        """A row a metric, a column a system: narrow, however many lists were measured."""
        names = [name for name in next(iter(self.values())) if name.split("@")[0] in SHOWN + LISTS]
        users = next(iter(self.values()))["users"]
        return [f"{users} users, %", *self], [
            [name, *(self._cell(one, name) for one in self.values())] for name in names
        ]

    @staticmethod
    def _cell(metrics, name):
        if name not in metrics:
            return "-"
        text = f"{100 * metrics[name]:.2f}"
        if name.startswith("recall") and name in metrics["interval"]:
            low, high = metrics["interval"][name]
            text += f" [{100 * low:.1f}, {100 * high:.1f}]"
        return text
