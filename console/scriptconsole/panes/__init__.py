"""The panes of the main screen: one virtual table widget, its four uses, and the log."""
