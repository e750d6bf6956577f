"""The run folder of a backtest: written beside its place, moved there whole, and never edited."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from seq_gym.backtest.document import data_document, physics_document, summary_document
from seq_gym.backtest.run import Backtest
from seq_gym.config import config_hash, config_to_dict
from seq_gym.runs.folder import move, new_scratch, write_json
from seq_gym.runs.manifest import folder_name, record_of, utc_now
from seq_gym.runs.tables import record_table, times_column, write_table
from seq_gym.sandbox.book.records import BookFill, BookOrder
from seq_gym.sandbox.book.tca import FILL_FIGURES, ORDER_FIGURES, TcaReport
from seq_gym.sandbox.records import Fill, Order

__all__ = ["write_run_folder"]

_CHANGES_NO_NUMBER = ("out", "output", "no_save")


def write_run_folder(run: Backtest, command: Sequence[str]) -> Path:
    """Write fills.parquet, orders.parquet, equity.parquet, summary.json and manifest.json.

    Args:
        run: The run, over or interrupted.
        command: What started it.

    Returns:
        The run folder.

    Raises:
        ConfigError: The folder cannot be written.

    Source: S3-49.
    """
    now = utc_now()
    options = run.options
    digest = config_hash(options, leave_out=_CHANGES_NO_NUMBER)
    name = folder_name(now, "backtest", [run.agent], options.seed, digest)
    root = Path(options.out)
    scratch = new_scratch(root)
    try:
        _write_tables(scratch, run)
        write_json(scratch / "summary.json", summary_document(run))
        record = record_of(
            data_document(run), seed=options.seed, command=command, now=now, digest=digest
        )
        more = {"partial": run.is_partial, "agents": [{"name": run.agent, "kind": "strategy"}]}
        asked = config_to_dict(options)
        physics = physics_document(run)
        write_json(
            scratch / "manifest.json", {**record, **more, "options": asked, "physics": physics}
        )
        state = "partial" if run.is_partial else "complete"
        (scratch / "DONE").write_text(f"{state}\n", encoding="utf-8")
        return move(scratch, root, name)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _write_tables(folder: Path, run: Backtest) -> None:
    import pyarrow as pa

    fill_kind, order_kind = (BookFill, BookOrder) if run.is_book else (Fill, Order)
    fills, orders = run.session.fills(), run.session.orders()
    tca = run.tca
    paid = {} if tca is None else _fill_columns(tca)
    cost = {} if tca is None else _order_columns(tca, [order.order_id for order in orders])
    write_table(folder / "fills.parquet", record_table(fill_kind, fills, paid))
    write_table(folder / "orders.parquet", record_table(order_kind, orders, cost))
    equity = pa.table(
        {
            "time": times_column(run.equity_times),
            "equity": pa.array(run.session.equity, pa.float64()),
        }
    )
    write_table(folder / "equity.parquet", equity)


def _fill_columns(tca: TcaReport) -> Mapping[str, list[float | None]]:
    """Return what each fill cost, a list for each figure."""
    rows = [each.figures() for each in tca.fills]
    return {name: [row[name] for row in rows] for name in FILL_FIGURES}


def _order_columns(tca: TcaReport, order_ids: Sequence[str]) -> Mapping[str, list[float | None]]:
    """Return what each order cost, a list for each figure; None of one that was never sent."""
    rows = {each.order.order_id: each.figures() for each in tca.orders}
    none: dict[str, float | None] = dict.fromkeys(ORDER_FIGURES)
    return {name: [rows.get(each, none)[name] for each in order_ids] for name in ORDER_FIGURES}
