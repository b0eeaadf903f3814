"""What lies behind others: containers that draw three lines instead of all.

Textual draws each container whole before it finds that nothing of it can be seen, which was half of the work
of painting a large screen.
"""

from __future__ import annotations

from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Ground(Widget):
    """A container without content of its own: between its borders all lines are the same.

    To be named last among the bases: Textual looks for default styles along the first ones only.
    """

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the first and the last line, and one for all between."""
        height = self.outer_size.height
        if height < 4:
            return super().render_lines(crop)

        def line(y: int) -> list[Strip]:
            return super(Ground, self).render_lines(Region(crop.x, y, crop.width, 1))

        first = line(0) if crop.y == 0 else []
        last = line(height - 1) if crop.bottom == height else []
        return first + line(1) * (crop.height - len(first) - len(last)) + last

    def render_line(self, y: int) -> Strip:
        """Draw a line of what is within the borders."""
        return Strip.blank(self.size.width, self.visual_style.rich_style)


class Column(Vertical, Ground):
    """Its children below each other."""


class Row(Horizontal, Ground):
    """Its children side by side."""
