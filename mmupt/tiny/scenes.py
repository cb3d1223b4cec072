"""The pictures of the small world: what they hold, and how they are drawn.

A scene is 112 x 112 pixels, four by four cells of 28 pixels, so that each cell becomes exactly one image token of
Qwen2.5-VL (patch 14, merge 2). Every cell has its own shade of background, which tells the vision tower where it is.
A scene's `content` holds what a question can be about; colours of no meaning and small shifts are left to the drawing.
Two scenes of equal content never stand in two different splits.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from PIL import Image, ImageDraw, ImageFont

CELL = 28
SIZE = 4 * CELL
UNIT = 9
"""Pixels of height for one unit of a bar."""
COLOURS = {"red": (214, 40, 40), "blue": (38, 84, 205), "green": (30, 140, 60), "orange": (240, 140, 20)}
SHAPES = ("circle", "square", "triangle")
BARS = "PQRS"
INK = (25, 25, 30)


@dataclass(frozen=True)
class Bars:
    """Four bars P, Q, R, S of height 1 to 9."""

    heights: tuple[int, ...]
    colour: str

    @property
    def content(self) -> str:
        return f"bars {self.heights}"

    @property
    def facts(self) -> dict[str, int]:
        return dict(zip(BARS, self.heights, strict=True))

    def cells(self) -> list[str]:
        """For each cell, row by row, what it holds: pixels of bar, or the bar's name."""
        fills = [f"bar {max(0, min(CELL, h * UNIT - CELL * (2 - row)))}" for row in range(3) for h in self.heights]
        return fills + list(BARS)

    def draw(self, pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
        base = 3 * CELL
        for units in (3, 6, 9):
            pen.line([(0, base - units * UNIT), (SIZE, base - units * UNIT)], fill=(190, 190, 195))
        for column, height in enumerate(self.heights):
            left = column * CELL + 6 + rng.randint(-1, 1)
            pen.rectangle([left, base - height * UNIT, left + 15, base - 1], fill=COLOURS[self.colour])
            write(pen, 12 + column, BARS[column], INK, rng)


@dataclass(frozen=True)
class Cards:
    """Three numbers from 1 to 9 in three different colours, each in a cell of its own."""

    cells_used: tuple[int, ...]
    colours: tuple[str, ...]
    numbers: tuple[int, ...]

    @property
    def content(self) -> str:
        return f"cards {sorted(self.facts.items())}"

    @property
    def facts(self) -> dict[str, int]:
        return dict(zip(self.colours, self.numbers, strict=True))

    def cells(self) -> list[str]:
        held = dict(zip(self.cells_used, self.facts.items(), strict=True))
        return ["{} {}".format(*held[cell]) if cell in held else "empty" for cell in range(16)]

    def draw(self, pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
        for cell, (colour, number) in zip(self.cells_used, self.facts.items(), strict=True):
            row, column = divmod(cell, 4)
            x, y = column * CELL, row * CELL
            pen.rounded_rectangle(
                [x + 2, y + 2, x + 25, y + 25], 4, fill=(255, 255, 255), outline=COLOURS[colour], width=2
            )
            write(pen, cell, str(number), COLOURS[colour], rng)


@dataclass(frozen=True)
class Rectangles:
    """Two rectangles of different colours, each labelled with its width (below) and height (left), 2 to 9."""

    colours: tuple[str, ...]
    widths: tuple[int, ...]
    heights: tuple[int, ...]

    @property
    def content(self) -> str:
        return f"rectangles {sorted(self.facts.items())}"

    @property
    def facts(self) -> dict[str, tuple[int, int]]:
        return dict(zip(self.colours, zip(self.widths, self.heights, strict=True), strict=True))

    def cells(self) -> list[str]:
        names: list[str] = []
        for colour, (width, height) in self.facts.items():
            names += [f"side {height}", f"edge {colour}", f"edge {colour}", f"edge {colour}"]
            names += ["empty", "empty", f"side {width}", "empty"]
        return names

    def draw(self, pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
        for half, (colour, (width, height)) in enumerate(self.facts.items()):
            top = half * 2 * CELL
            right = CELL + 44 + 4 * width
            pen.rectangle([CELL + 4, top + 11 - height, right, top + 17 + height], outline=COLOURS[colour], width=3)
            write(pen, half * 8, str(height), INK, rng)
            write(pen, half * 8 + 6, str(width), INK, rng)


@dataclass(frozen=True)
class Shapes:
    """Circles, squares and triangles in some of the sixteen cells; None is an empty cell."""

    grid: tuple[str | None, ...]
    colours: tuple[str, ...]

    @property
    def content(self) -> str:
        return f"shapes {self.grid}"

    @property
    def facts(self) -> dict[str, int]:
        return {shape: self.grid.count(shape) for shape in SHAPES}

    def cells(self) -> list[str]:
        return [shape or "empty" for shape in self.grid]

    def draw(self, pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
        for cell, (shape, colour) in enumerate(zip(self.grid, self.colours, strict=True)):
            if shape is None:
                continue
            row, column = divmod(cell, 4)
            x, y = column * CELL + 5 + rng.randint(-1, 1), row * CELL + 5 + rng.randint(-1, 1)
            if shape == "circle":
                pen.ellipse([x, y, x + 18, y + 18], fill=COLOURS[colour])
            elif shape == "square":
                pen.rectangle([x, y, x + 18, y + 18], fill=COLOURS[colour])
            else:
                pen.polygon([(x, y + 18), (x + 18, y + 18), (x + 9, y)], fill=COLOURS[colour])


Scene = Bars | Cards | Rectangles | Shapes


def write(pen: ImageDraw.ImageDraw, cell: int, text: str, ink: tuple[int, int, int], rng: random.Random) -> None:
    """Write `text` in the middle of a cell, up to a pixel off."""
    row, column = divmod(cell, 4)
    middle = (column * CELL + 14 + rng.randint(-1, 1), row * CELL + 14 + rng.randint(-1, 1))
    pen.text(middle, text, fill=ink, font=ImageFont.load_default(20), anchor="mm")


def draw(scene: Scene, rng: random.Random) -> Image.Image:
    """Draw a scene as an RGB picture of 112 x 112 pixels; `rng` shifts things by a pixel or so."""
    picture = Image.new("RGB", (SIZE, SIZE))
    pen = ImageDraw.Draw(picture)
    for row, column in product(range(4), range(4)):
        shade = (252 - 9 * column, 252 - 9 * row, 246)
        pen.rectangle([column * CELL, row * CELL, column * CELL + 27, row * CELL + 27], fill=shade)
    scene.draw(pen, rng)
    return picture


def bars(rng: random.Random) -> Bars:
    """Heights are all different, so that the tallest and the shortest bar are one each."""
    return Bars(tuple(rng.sample(range(1, 10), 4)), rng.choice(list(COLOURS)))


def cards(rng: random.Random) -> Cards:
    """Numbers are all different, so that the largest is one."""
    cells, colours = sorted(rng.sample(range(16), 3)), rng.sample(list(COLOURS), 3)
    return Cards(tuple(cells), tuple(colours), tuple(rng.sample(range(1, 10), 3)))


def rectangles(rng: random.Random) -> Rectangles:
    """Sides from 2 to 9; the two rectangles may be equal in size."""
    sides = [tuple(rng.randint(2, 9) for _ in range(2)) for _ in range(2)]
    return Rectangles(tuple(rng.sample(list(COLOURS), 2)), sides[0], sides[1])


def shapes(rng: random.Random) -> Shapes:
    """Five to ten shapes on sixteen cells."""
    grid: list[str | None] = [None] * 16
    for cell in rng.sample(range(16), rng.randint(5, 10)):
        grid[cell] = rng.choice(SHAPES)
    return Shapes(tuple(grid), tuple(rng.choice(list(COLOURS)) for _ in range(16)))


MAKERS: dict[str, Callable[[random.Random], Scene]] = {
    "bars": bars,
    "cards": cards,
    "rectangles": rectangles,
    "shapes": shapes,
}
