"""The panes of the main screen: tables, the log and the REPL, and the views they are made of."""
