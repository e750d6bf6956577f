"""Small well-formed files of each family, and how a test reads one."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import numpy as np

from seq_gym.market.columns import join_chunks
from seq_gym.market.importers import ReadOptions, open_tables
from seq_gym.market.quality import Findings, judge

START_S = 1_735_689_600  # 2025-01-01T00:00:00Z
NUM_ROWS = 12


def rows(count=NUM_ROWS, seed=1):
    """Rows of (seconds, open, high, low, close, volume), with two decimals, every minute."""
    rng = np.random.default_rng(seed)
    close = 100 + rng.normal(0, 1, count + 1).cumsum()
    out = []
    for i in range(count):
        first, last = round(close[i], 2), round(close[i + 1], 2)
        high = round(max(first, last) + rng.uniform(0.01, 1), 2)
        low = round(min(first, last) - rng.uniform(0.01, 1), 2)
        out.append((START_S + 60 * i, first, high, low, last, round(rng.uniform(1, 9), 3)))
    return out


def klines(unit=1000, header=False, names=None):
    names = names or (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore"
    )
    lines = [names] if header else []
    for s, o, h, low, c, v in rows():
        lines.append(
            f"{s * unit},{o},{h},{low},{c},{v},{(s + 60) * unit - 1},{v * c:.5f},7,0.5,50.5,0"
        )
    return "\n".join(lines) + "\n"


def kraken(width=7):
    middle = {7: "", 8: "{average},"}[width]
    return "".join(
        f"{s},{o},{h},{low},{c}," + middle.format(average=round((h + low) / 2, 3)) + f"{v},3\n"
        for s, o, h, low, c, v in rows()
    )


def cdd():
    lines = ["https://www.CryptoDataDownload.com"]
    lines.append("unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount")
    for s, o, h, low, c, v in reversed(rows()):
        lines.append(f"{s},whenever,BTC/USDT,{o},{h},{low},{c},{v},{v * c:.6f},NULL")
    return "\r\n".join(lines) + "\r\n"


def bitfinex():
    return "".join(f"{s * 1000},{o},{c},{h},{low},{v}\n" for s, o, h, low, c, v in rows())


def coinbase_advanced():
    keys = ("start", "open", "high", "low", "close", "volume")
    candles = [dict(zip(keys, map(str, row), strict=True)) for row in reversed(rows())]
    return json.dumps({"candles": candles}, indent=2)


def coinbase_rows():
    return json.dumps([[s, low, h, o, c, v] for s, o, h, low, c, v in reversed(rows())])


def freqtrade():
    return json.dumps([[s * 1000, *rest] for s, *rest in rows()])


def lean_minutes(scale=1):
    return "".join(
        f"{(s - START_S) * 1000},"
        + ",".join(str(price if scale == 1 else round(price * scale)) for price in prices)
        + f",{v}\n"
        for s, *prices, v in rows()
    )


def generic(separator=",", header="time,open,high,low,close,volume", decimal=".", end="\n"):
    lines = [header.replace(",", separator)]
    for s, *values in rows():
        fields = [str(s), *(str(value).replace(".", decimal) for value in values)]
        lines.append(separator.join(fields))
    return end.join(lines) + end


def iso(text="%Y-%m-%dT%H:%M:%SZ", header="time,open,high,low,close,volume"):
    lines = [header]
    for s, *values in rows():
        stamp = np.datetime64(s, "s").item().strftime(text)
        lines.append(",".join([stamp, *map(str, values)]))
    return "\n".join(lines) + "\n"


def zipped(members, method=zipfile.ZIP_DEFLATED):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return memory.getvalue()


def packed(text):
    return gzip.compress(text.encode() if isinstance(text, str) else text, mtime=0)


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path, *, on_conflict="error", **options):
    """Read and judge the one table of a file."""
    [found] = open_tables(path, ReadOptions(**options))
    chunks = list(found.chunks())
    seen = sum((Findings.of_reading(c.notes, c.bad_rows, c.num_bad) for c in chunks), Findings())
    columns, judged = judge(
        join_chunks([chunk.columns for chunk in chunks]),
        on_conflict=on_conflict,
        drop_bad=options.get("drop_bad", False),
    )
    return found, columns, seen + judged


def as_rows(columns):
    """The candles again as `rows` has them."""
    return list(
        zip(
            (columns.time_ns // 10**9).tolist(),
            *(getattr(columns, n).tolist() for n in ("open", "high", "low", "close", "volume")),
            strict=True,
        )
    )
