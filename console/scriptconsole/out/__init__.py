"""Ways out of the console: the clipboard, files, pictures, notifications.

The modules here know no widgets; `outlet` is where the app and its dialogs ask.
"""
