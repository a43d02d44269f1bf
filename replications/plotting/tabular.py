"""Results as data frames and in notebooks: `to_dataframe`, `to_xarray`, `plot`, and an HTML view.

pandas and xarray are imported when they are asked for; they come with the extra `frames`.
"""

from __future__ import annotations

import base64
import html
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from replications.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

SHOWN = 10
"""Rows of a table in a notebook."""


class Tabular(ABC):
    """A result with a row for each thing that was measured, and a picture."""

    @abstractmethod
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Name of each column -> its values, one for each row."""

    @property
    @abstractmethod
    def index(self) -> tuple[str, ...]:
        """The columns that name a row; its axes in xarray."""

    @abstractmethod
    def figure(self) -> Figure:
        """The picture. Call it inside `charts.style()`. Raises BadInput without matplotlib."""

    def to_dataframe(self) -> pd.DataFrame:
        """The rows as a data frame of pandas. Raises BadInput if pandas is not installed."""
        found: pd.DataFrame = imported("pandas").DataFrame(dict(self.columns()))
        return found

    def to_xarray(self) -> xr.Dataset:
        """The columns that are not in `index`, along its axes.

        Raises BadInput if xarray is not installed.
        """
        imported("xarray")
        found: xr.Dataset = self.to_dataframe().set_index(list(self.index)).to_xarray()
        return found

    def plot(self) -> Figure:
        """The picture, which shows itself in a notebook. Raises BadInput without matplotlib."""
        from replications.plotting import charts

        with charts.style():
            return self.figure()

    def _repr_html_(self) -> str:
        """The picture, if it can be drawn, and the first rows."""
        return f"{self._picture()}{table(self.columns())}"

    def _picture(self) -> str:
        try:
            from replications.plotting import charts

            with charts.style():
                content = charts.encode(self.figure(), "png")
        except BadInput:  # no matplotlib, or nothing that is a heatmap
            return ""
        return f'<img src="data:image/png;base64,{base64.b64encode(content).decode()}" alt="">'


def imported(name: str) -> Any:
    """A module of the extra `frames`. Raises BadInput, with the remedy, if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise BadInput(
            f"this needs {name}, which is not installed; run: pip install 'interp-claims[frames]'"
        ) from exc


def table(columns: Mapping[str, Sequence[Any]]) -> str:
    """The first rows as an HTML table, and how many there are."""
    rows = list(zip(*columns.values(), strict=True))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:SHOWN])
    more = f"<p>{SHOWN} of {len(rows)} rows</p>" if len(rows) > SHOWN else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"<td>{value:.4g}</td>"
    return f"<td>{'' if value is None else html.escape(str(value))}</td>"
