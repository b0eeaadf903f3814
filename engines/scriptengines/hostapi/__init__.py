"""The host API as scripts see it: the table of its functions, and those that need no network."""
