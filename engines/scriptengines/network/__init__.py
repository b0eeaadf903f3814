"""The network part of the host API, a module per protocol; each is imported when a script asks for it."""
