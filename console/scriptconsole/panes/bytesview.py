"""Bytes as hex and text, of which only the lines in sight are ever formatted."""

from __future__ import annotations

from rich.cells import chop_cells

from scriptconsole.panes.lines import LineView, Tone
from scriptconsole.text import clean_lines, fit

_OFFSET = 8
_PRINTABLE = range(0x20, 0x7F)


def per_line(width: int) -> int:
    """Count the bytes whose hex and text fit on a line: 8, 16 or 32."""
    return next((count for count in (32, 16) if _OFFSET + 2 + 4 * count + 3 <= width), 8)


def hex_line(piece: bytes, offset: int, count: int) -> tuple[str, str, str]:
    """Write one line of a hex dump: offset, hex, text.

    Args:
        piece: At most `count` bytes.
        offset: Of the first one.
        count: Bytes of a whole line.
    """
    half = count // 2
    left, right = piece[:half].hex(" "), piece[half:].hex(" ")
    text = "".join(chr(byte) if byte in _PRINTABLE else "·" for byte in piece)
    return f"{offset:0{_OFFSET}x}", f"{left:<{half * 3 - 1}}  {right:<{half * 3 - 1}}", text


def hex_dump(payload: bytes, offset: int, count: int = 16) -> str:
    """Write bytes as the view shows them.

    Args:
        payload: All of them.
        offset: Of the first one.
        count: Bytes of a line.
    """
    starts = range(0, len(payload), count)
    return "\n".join("  ".join(hex_line(payload[i : i + count], offset + i, count)) for i in starts)


class BytesView(LineView):
    """The last bytes that went one way; it follows them while its last line is in sight."""

    HEADER = 1

    def __init__(self, title: str, *, id: str) -> None:
        """Make an empty view.

        Args:
            title: Shown over the bytes.
            id: Of the widget.
        """
        super().__init__(id=id)
        self._title = title
        self._lines: list[str] = []
        self.payload = b""
        self.before = 0
        self.as_text = False

    @property
    def row_count(self) -> int:
        """Number of lines."""
        if self.as_text:
            return len(self._lines)
        count = per_line(self.size.width)
        return -(-len(self.payload) // count)

    def show(self, payload: bytes, offset: int) -> None:
        """Show these bytes.

        Args:
            payload: The newest last.
            offset: How many there were before.
        """
        if (payload, offset) == (self.payload, self.before):
            return
        follows = self.cursor >= self.row_count - 1
        self.payload, self.before = payload, offset
        self._renew(follows)

    def show_as_text(self, as_text: bool) -> None:
        """Show text instead of hex, or hex again."""
        self.as_text = as_text
        self._renew(True)

    def text(self) -> str:
        """Return the bytes as text, as the view shows them."""
        return "\n".join(clean_lines(self.payload.decode("utf-8", "replace")))

    def _renew(self, follows: bool) -> None:
        self._wrap()
        self.fit_rows()
        self.move_to(self.row_count - 1 if follows else self.cursor)
        self.refresh()

    def _wrap(self) -> None:
        # Bytes that are cut off at either end, or are no UTF-8, show as replacement characters.
        lines = clean_lines(self.payload.decode("utf-8", "replace")) if self.as_text else []
        width = max(self.size.width - 1, 1)
        self._lines = [part for line in lines for part in chop_cells(line, width) or [""]]

    def on_resize(self) -> None:
        """Another width holds another number of bytes."""
        self._renew(self.cursor >= self.row_count - 1)

    def header_line(self, width: int) -> list[tuple[str, str]]:
        """Tell which way, and how many bytes."""
        shown, total = len(self.payload), self.before + len(self.payload)
        amount = f"{total:,} bytes" if shown == total else f"the last {shown:,} of {total:,} bytes"
        return [(" " + fit(f"{self._title}  {amount} since this view was opened", width - 1), "line--header")]

    def row_line(self, index: int, width: int) -> list[tuple[str, Tone]]:
        """Format one line."""
        if self.as_text:
            return [(" " + self._lines[index], Tone.PLAIN)]
        count = per_line(width)
        start = index * count
        offset, octets, text = hex_line(self.payload[start : start + count], self.before + start, count)
        return [(f" {offset}  ", Tone.DIM), (f"{octets}  ", Tone.PLAIN), (text, Tone.ACCENT)]
