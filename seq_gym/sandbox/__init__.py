"""A session: joins market to engine. Clock, orders, account, risk, journal; no gymnasium."""
