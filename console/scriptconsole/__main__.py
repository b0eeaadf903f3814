"""`python -m scriptconsole`."""

from .cli import main

raise SystemExit(main())
