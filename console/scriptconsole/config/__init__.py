"""Configuration of the console: its settings, where they come from, and the commands that show them.

Options of scripts stand in the same project file; they are read by the engines (scriptengines/options.py).
"""
