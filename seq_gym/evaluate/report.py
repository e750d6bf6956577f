"""report.html: the tables and the picture of a run in one file that needs nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from seq_gym.console import TextTable

__all__ = ["make_report"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff }
table { border-collapse: collapse; margin: 0 0 1.5rem }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right;
  font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem }
dt { color: #666 } dd { margin: 0 }
img { max-width: 100% }
.partial { color: #a00; font-weight: bold }
pre { background: #f5f5f5; padding: .6rem; overflow-x: auto }
"""


def make_report(
    *,
    title: str,
    command: Sequence[str],
    facts: Sequence[tuple[str, str]],
    tables: Sequence[TextTable],
    notes: Sequence[str],
    picture: bytes | None,
    config_toml: str,
    is_partial: bool,
) -> str:
    """Return the page.

    Args:
        title: Its heading.
        command: The command that made the run.
        facts: What all agents share.
        tables: Tables of figures.
        notes: Sentences below them.
        picture: PNG, or None where matplotlib is not installed.
        config_toml: The resolved config.
        is_partial: Whether the run was interrupted.
    """
    escape = html.escape
    parts = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>{_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
    ]
    if is_partial:
        parts.append('<p class="partial">Interrupted: only finished episodes are counted.</p>')
    parts.append(f"<pre>{escape(' '.join(command))}</pre><dl>")
    parts += [f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in facts]
    parts.append("</dl>")
    parts += [_table(table) for table in tables]
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    if picture is not None:
        data = base64.b64encode(picture).decode("ascii")
        alt = "Equity, drawdown and fills of one episode, and the returns of all"
        parts.append(f'<img alt="{alt}" src="data:image/png;base64,{data}">')
    parts.append(f"<h2>Configuration</h2><pre>{escape(config_toml)}</pre></html>")
    return "\n".join(parts) + "\n"


def _table(table: TextTable) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n"
        for row in table.rows
    )
    return f"<h2>{html.escape(table.title)}</h2>\n<table><tr>{head}</tr>\n{rows}</table>"
