"""The data contract of the book engine: shared tapes, and one row per account, lane or order.

A *lane* is one (venue, symbol) of one account: its cursors on the tape, its orders, its channels.
Times are int64 UNIX nanoseconds. Prices are integer ticks. Quantities on the tape are integer lots;
those of orders are *units*: lots under strict rules (F6), base quantity under parity rules, where
the peer's arithmetic is repeated to the last bit (units.py converts).

The public book does not depend on the agent: every ROW says what the book was before it and what
its best prices are after it, and per-level histories answer "how much was at this tick at that
row" by bisection. So a reset at any time costs microseconds, and an account holds no book of its
own, only its differences from the tape (HOLE).
"""

from __future__ import annotations

from seq_gym.engine.layout import record

__all__ = [
    "ACCOUNT",
    "CONTEXT",
    "DOOR",
    "EVENT",
    "HOLE",
    "INSTRUMENT",
    "LANE",
    "LEVELS",
    "ORDER",
    "PARAMS",
    "POSITION",
    "REPORT",
    "REQUEST",
    "ROW",
    "TAPE",
]

ROW = record(
    ts="i8",  # of its clock: exch_ts on the venue's, local_ts on the agent's
    lots="i8",  # DEPTH, SNAPSHOT: the level's new quantity; TRADE: the print's
    prev="i8",  # DEPTH, SNAPSHOT: the level's quantity before, on this clock
    tick="i4",
    bid="i4",  # best ticks after this row (B7); NO_BID, NO_ASK
    ask="i4",
    kind="i1",
    side="i1",
    flags="i1",  # 1: the book is stale after this row (B10); 2: trading is halted
    unused="i1",
)
"""One event on one clock: 40 bytes. Venue clock: trades before depth at one exch_ts (B11)."""

LEVELS = record(
    ticks="i8",  # int32 [num_levels], ascending: every tick that was ever populated on this side
    rows="i8",  # ROW of the clock
    first="i8",  # int64 [num_levels + 1]: where a level's changes begin in `changes`
    changes="i8",  # int32: by level the rows that set it: DEPTH, SNAPSHOT, or CLEAR (to 0)
    num_levels="i8",
)
"""The history of one side of the book on one clock: [clock * 2 + (0 bid, 1 ask)]."""

TAPE = record(
    venue_rows="i8",  # ROW [num_venue], by exch_ts
    local_rows="i8",  # ROW [num_local], by local_ts
    levels="i8",  # LEVELS [4]
    local_index="i8",  # uint32 [num_local] level index of each depth row on its side, for streaming
    latency_scale="i8",  # float32 [num_local]: L2's factor after each local row; 0: none
    toxicity="i8",  # float32 [num_venue, 4]: Z1's scores (scores.TOXICITY_SCORES); 0: none
    funding_ts="i8",  # int64 [num_funding] stamps; with rates
    funding_rate="i8",  # float64 [num_funding]
    local_gaps="i8",  # int64 [num_gaps]: rows of the agent's clock that make its book stale
    venue_trades="i8",  # int32 [num_trades]: the TRADE rows of the venue's clock, ascending
    num_venue="i8",
    num_local="i8",
    num_funding="i8",
    num_gaps="i8",
    num_trades="i8",
    first_ts="i8",  # first and last instant of the recording on either clock
    last_ts="i8",
)
"""One recorded (venue, symbol), shared by all accounts, never written: [S]."""

INSTRUMENT = record(
    tick_mul="f8",  # price = tick * tick_mul / tick_div: the decimal's own double
    tick_div="f8",
    lot_mul="f8",  # base quantity = lots * lot_mul / lot_div
    lot_div="f8",
    min_notional="f8",
    contract_size="f8",
    taker_fee_frac="f8",
    maker_fee_frac="f8",
    inverse="i8",  # 1: amount = contract x qty / price, money is in base
    # Latency (L1), nanoseconds: constant, or the median and sigma of a log-normal
    latency_model="i8",
    entry_ns="f8",
    entry_sigma="f8",
    cancel_ns="f8",
    cancel_sigma="f8",
    response_ns="f8",
    response_sigma="f8",
    feed_ns="i8",  # added to local_ts: the agent's cursor lags by this much more
    recorded="i8",  # RECORDED: int64 [num_recorded, 3] request, exchange, response times
    num_recorded="i8",
    stream_entry="i8",  # keyed streams (Z3): seq_gym._random.stream_of
    stream_cancel="i8",
    stream_response="i8",
    stream_adverse="i8",
)
"""Constants of a lane: [S]."""

PARAMS = record(
    fills="i8",  # STRICT, PARITY, PARITY_NO_PARTIAL
    queue_model="i8",
    queue_power="f8",
    margin="i8",
    max_orders="i8",  # working orders per account
    max_actions="i8",  # per advance or callback (B15)
    stale_policy="i8",
    mark="i8",  # 0 mid, 1 microprice, 2 last trade, 3 the liquidation side
    starting_balance="f8",
    initial_margin_frac="f8",
    maintenance_frac="f8",
    borrow_per_second="f8",
    ruin_frac="f8",
    liquidate_on_complete="i8",  # M7
    market_cap_frac="f8",  # a market order pays at most this much beyond the touch it was sent at
    price_deviation_frac="f8",  # PRICE_DEVIATION: limits further from the mid are refused; inf: off
    max_position_notional="f8",  # POSITION_LIMIT; inf: off
    any_risk="i8",
    allow_reduce="i8",
    max_open_orders="i8",
    max_orders_per_minute="i8",
    max_order_size_pct="f8",
    max_position_size_pct="f8",
    daily_loss_limit_pct="f8",
    risk_min_notional="f8",
    max_drawdown_pct="f8",
    # Realism, all off by default
    adverse="i8",  # Z1
    adverse_bias="f8",
    adverse_skip_rate="f8",
    adverse_penalty="f8",
    impact="i8",  # Z2
    impact_half_life_ns="f8",
    impact_permanent="f8",
    latency_scaled="i8",  # L2
)
"""Constants of a sandbox: one row."""

ACCOUNT = record(
    now="i8",  # virtual time of the agent
    start="i8",
    end="i8",
    next_heartbeat="i8",
    seed="i8",
    cash="f8",
    reserved="f8",
    equity="f8",  # at the last heartbeat, advance or report
    peak_equity="f8",
    drawdown="f8",
    max_drawdown="f8",
    starting_balance="f8",
    realized="f8",
    taker_fees="f8",
    maker_fees="f8",
    funding="f8",
    borrow="f8",
    bad_debt="f8",
    turnover="f8",
    spread_cost="f8",  # sum of side x (price - mid at the venue) x qty: negative is capture
    realized_at_midnight="f8",
    reject_value="f8",
    reject_bound="f8",
    reason="i8",  # of the last verb; 0: it was sent
    next_order_id="i8",
    num_fills="i8",
    num_rejects="i8",
    num_gaps="i8",  # stale stretches met, that of the start included (B10)
    num_events="i8",  # written since the last drain
    num_orders="i4",  # working, on all lanes
    num_actions="i4",  # since the last advance
    num_closing="i4",
    num_wins="i4",
    orders_in_minute="i4",
    ending="i4",
    day="i8",
    minute="i8",
    stopped_lane="i4",
    stopped_by="i4",  # ON_BOOK, ON_TRADE, ON_REPORT or ON_HEARTBEAT
)
"""The moving state of one account: [N]."""

POSITION = record(
    qty="f8",  # signed base quantity (contracts of an inverse instrument), as the agent knows it
    basis="f8",  # signed cost, entry fees included (M4)
    realized="f8",
    reserved="f8",  # base held for working sells (spot)
    pending_buy="f8",  # units of working buys and sells, for limits and observations
    pending_sell="f8",
    bought="f8",  # base quantities over the episode
    sold="f8",
)
"""One lane of one account: [N, S]."""

LANE = record(
    # What every row of the tape asks first: one cache line.
    venue_row="i8",  # the next row of the venue's clock
    local_row="i8",  # the next row of the agent's clock
    buy_low="i4",  # lowest and highest tick of resting buys and sells; none: low above high
    buy_high="i4",
    sell_low="i4",
    sell_high="i4",
    num_resting="i4",
    num_holes="i4",
    venue_time="i8",  # up to which the venue has been run
    entry_last="i8",  # latest arrival and receipt so far: channels are FIFO (B4)
    receipt_last="i8",
    # The channels: rings, counters from which slots follow by masking.
    requests_head="i8",
    requests_tail="i8",
    reports_head="i8",
    reports_tail="i8",
    draws_entry="i8",  # counters of the keyed streams
    draws_cancel="i8",
    draws_response="i8",
    draws_adverse="i8",
    num_slots="i4",  # ORDER rows in use or freed below this
    stale="i4",  # on the venue's clock
    first_slot="i4",  # head of the list of resting orders in order of acceptance (F6); -1: none
    last_slot="i4",
    num_seen="i4",  # Z2: holes that the agent knows of
    num_reducing="i4",  # resting orders that are reduce-only (O9)
    untold="f8",  # units executed, signed, whose reports the agent has not received
    bent_ticks="f8",  # Z2: permanent impact so far, signed: above 0 a taker pays more to buy
    latency_seen="f8",  # ns from send to receipt of the last answer to a request
    mark="f8",  # the price that values the position: the last one known; NaN before the first
    # Rows of the agent's clock looked through for a mark, and the last ones found; -1: none.
    sided_to="i8",
    sided_row="i8",  # with prices on both sides
    traded_to="i8",
    traded_row="i8",  # a print
    likely_row="i8",  # a guess of where local_row stands next, tried before it is searched for
)
"""One (venue, symbol) of one account: [N, S]."""

ORDER = record(
    id="i8",
    side="i4",
    type="i4",
    tif="i4",
    flags="i4",
    tick="i4",  # limit; a market order's cap
    local="i4",  # what the agent knows: FREE, ON_THE_WAY, WORKING, DONE_WITH
    venue="i4",  # what the venue holds
    next="i4",  # the next resting order of the lane; -1: none
    qty="f8",  # units asked for
    leaves="f8",  # at the venue
    front="f8",  # units ahead (B18)
    traded="f8",  # printed at my tick since the level's last depth row
    executed="f8",  # units executed in all
    local_executed="f8",  # as the agent knows it
    local_leaves="f8",
    local_tick="i8",
    cost="f8",  # executed so far, sum of units x price
    max_slippage_frac="f8",  # from the arrival mid; inf: none
    reserve_price="f8",  # spot buys: the dearest price that may still be paid
    asked="f8",  # units that an amend in flight may make of it
    changes="i8",  # amends and decreases in flight
    sent_ts="i8",
    sent_mid="f8",  # the mid the agent saw when it sent
    arrival_ts="i8",
    arrival_mid="f8",  # the venue's mid on arrival
    tag="i8",  # the caller's own number
    ahead="f8",  # units ahead as the agent was told last; environments take off prints seen since
    ahead_ts="i8",  # when it was told
)
"""One order: [N, S, order_slots]; the slot is free again when the agent knows that it is done."""

REQUEST = record(
    arrival="i8",
    kind="i4",
    slot="i4",
    order_id="i8",
    tick="i8",
    qty="f8",
    executed="f8",  # units of the order that the sender knew to be executed
)
"""One message to the venue: [N, S, request_slots], a power of two."""

REPORT = record(
    receipt="i8",  # when the agent knows
    exch_ts="i8",
    order_id="i8",
    slot="i4",
    kind="i4",
    tick="i4",
    liquidity="i4",
    reason="i4",
    bid="i4",  # the venue's best ticks when it happened
    ask="i4",
    unused="i4",
    qty="f8",  # units executed
    leaves="f8",  # units left after it
    price="f8",  # what was paid; differs from the tick's under Z1 and Z2
    front="f8",  # ACCEPTED: units ahead
)
"""One message to the agent: [N, S, report_slots], a power of two."""

HOLE = record(tick="i4", side="i4", row="i8", ts="i8", units="f8")
"""What this account took from a displayed level, until its next row (F2): [N, S, hole_slots].

One table for what the venue displays to it; under Z2 another for what it sees, whose rows and times
are those of the agent's clock.
"""

EVENT = record(
    order_id="i8",
    local_ts="i8",  # when the agent did or learnt it
    exch_ts="i8",  # when the venue did it; 0 where it had no part
    sent_ts="i8",
    arrival_ts="i8",
    qty="f8",  # base quantity
    price="f8",
    fee="f8",
    realized="f8",  # NaN when the fill opened only
    mid="f8",  # the venue's mid when it happened
    front="f8",
    leaves="f8",
    value="f8",  # REFUSED: what was measured and its bound (R5)
    bound="f8",
    tag="i8",
    lane="i4",
    tick="i4",
    reason="i2",
    kind="i1",
    side="i1",
    type="i1",
    tif="i1",
    flags="i1",
    liquidity="i1",
)
"""One thing that the agent did or learnt: a ring per account, drained into the journal."""

CONTEXT = record(
    tapes="i8",
    instruments="i8",
    params="i8",
    accounts="i8",
    positions="i8",
    lanes="i8",
    orders="i8",
    requests="i8",
    reports="i8",
    holes="i8",
    seen="i8",  # HOLE: those that the agent knows of (Z2); one a lane where that is off
    events="i8",
    scratch="i8",  # one ORDER: the request being made
    num_envs="i8",
    num_lanes="i8",  # S
    order_slots="i8",  # of a lane
    request_slots="i8",
    report_slots="i8",
    hole_slots="i8",
    event_capacity="i8",  # a power of two
    record_all="i8",  # 1: a full ring stops the advance, or calls `drain`; 0: the last are kept
    drain="i8",  # address of a function (account) that empties its ring; 0: none
)
"""Where everything is: addresses of the tables, and their sizes."""

DOOR = record(
    context="i8",
    account="i8",
    advance="i8",  # addresses of kernels, so that a strategy compiles without the engine
    place="i8",
    cancel="i8",
    cancel_all="i8",
    amend="i8",
)
"""What the handle of a compiled strategy points at: [N]."""
