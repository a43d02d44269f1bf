"""Reports, each rendered from ledgers alone."""
