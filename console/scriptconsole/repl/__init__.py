"""Typing code into a script: what the terminal prompt, piped input and the pane of the screen share.

`conversation` runs inputs and commands, `history` keeps them, `layout` writes results; `prompt` and `piped`
are the two front ends that need no screen.
"""
