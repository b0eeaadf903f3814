"""The front ends of scriptconsole: terminal app, batch runner and command line."""
