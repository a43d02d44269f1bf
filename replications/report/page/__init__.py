"""The report page: one HTML file from ledgers and pictures, readable without a network."""

from __future__ import annotations

from replications.report.page.render import Page, render

__all__ = ["Page", "render"]
