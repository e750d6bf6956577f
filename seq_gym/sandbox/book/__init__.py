"""A session over order books: joins the tapes of market.book to the book engine."""
