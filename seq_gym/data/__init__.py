"""The command line of the data store: `python -m seq_gym.data`.

In Python the store itself is `seq_gym.market.store.Store`, and the downloaders are
`seq_gym.market.download`.
"""
