"""Draw `docs/asset_graph.svg` from the declarations: `.venv/bin/python docs/draw_asset_graph.py`.

Labs' files on the left; the modality rooms below each other, each product to the right of what it reads; the rooms that
read other rooms' tables on the right, from top to bottom. Between rooms one arrow stands for all tables that a product
reads of a room.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from html import escape
from pathlib import Path

import palbo_assets.definitions as definitions
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS

TARGET = Path(__file__).with_name("asset_graph.svg")
WIDTH = 1200  # px, as are all lengths here
BOX_HEIGHT, ROW, TITLE, PAD = 23, 33, 21, 11
LANDED_X, LANDED_WIDTH = 8, 92
ROOMS_X, ROOM_BOX, ROOM_GAP = 136, 130, 20
RIGHT_X, RIGHT_BOX, RIGHT_GAP = 812, 165, 34
TOP, BETWEEN_ROOMS, BETWEEN_READING_ROOMS = 58, 13, 36
INK, MUTED, LINE, BETWEEN = "#1f2933", "#66727f", "#52606d", "#9aa7b5"
FILL = {
    "landed": ("files of labs", "#eceff3"),
    Level.BATCH: ("batch (plate, table)", "#fbe3bf"),
    Level.SAMPLE: ("patient x timepoint", "#cfe8f7"),
    Level.PATIENT: ("patient", "#cdeadd"),
    Level.COHORT: ("cohort", "#ecd7e8"),
}


@dataclass(frozen=True)
class Box:
    """A rectangle with its text; ``reads_files`` marks products that read labs' files themselves."""

    name: str
    x: float
    y: float
    width: float
    fill: str
    reads_files: bool = False

    @property
    def middle(self) -> float:
        return self.y + BOX_HEIGHT / 2

    def svg(self) -> str:
        bar = (
            f'<rect x="{self.x}" y="{self.y}" width="4" height="{BOX_HEIGHT}" fill="{INK}"/>'
            if self.reads_files
            else ""
        )
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{BOX_HEIGHT}" rx="3" fill="{self.fill}" '
            f'stroke="{LINE}" stroke-width="0.8"/>{bar}'
            f'<text x="{self.x + self.width / 2 + 1}" y="{self.middle + 4}" text-anchor="middle">'
            f"{escape(self.name)}</text>"
        )


@dataclass(frozen=True)
class Room:
    """A room's frame and its products' boxes."""

    name: str
    x: float
    y: float
    width: float
    height: float
    boxes: dict[str, Box]

    def svg(self) -> str:
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6" fill="#fafbfc" '
            f'stroke="#d3dae2"/><text x="{self.x + PAD}" y="{self.y + 15}" class="room">{self.name}</text>'
        )


def products_of(room: str) -> list[str]:
    return [name for name, spec in SPECS.items() if spec.room == room]


def depths(room: str) -> dict[int, list[str]]:
    """Products of a room by the number of steps inside the room that lead to them."""
    depth: dict[str, int] = {}
    for name in products_of(room):  # declared after what they read
        depth[name] = 1 + max((depth[source] for source in SPECS[name].upstream if source in depth), default=-1)
    grouped: dict[int, list[str]] = defaultdict(list)
    for name, steps in depth.items():
        grouped[steps].append(name)
    return grouped


def reads_other_rooms(room: str) -> bool:
    return any(SPECS[source].room != room for name in products_of(room) for source in SPECS[name].upstream)


def modality_room(room: str, y: float) -> Room:
    """Depth runs to the right; columns that are shorter than the longest stand in its middle."""
    grouped = depths(room)
    if len(grouped[0]) > 4:  # many products without anything upstream (the clinical export): two columns of them
        read = {source for name in products_of(room) for source in SPECS[name].upstream}
        ends, starts = [[name for name in grouped[0] if (name in read) is wanted] for wanted in (False, True)]
        later = {steps + 1: names for steps, names in grouped.items() if steps}
        grouped = {0: ends, 1: starts, **later}
    tallest = max(map(len, grouped.values()))
    boxes = {}
    for steps, names in grouped.items():
        for row, name in enumerate(names):
            boxes[name] = Box(
                name,
                ROOMS_X + PAD + steps * (ROOM_BOX + ROOM_GAP),
                y + TITLE + (row + (tallest - len(names)) / 2) * ROW,
                ROOM_BOX,
                FILL[SPECS[name].level][1],
                bool(SPECS[name].reads),
            )
    width = 2 * PAD + 4 * ROOM_BOX + 3 * ROOM_GAP
    return Room(room, ROOMS_X, y, width, TITLE + tallest * ROW - ROW + BOX_HEIGHT + PAD, boxes)


def lines_of(room: str) -> int:
    return sum((len(names) + 1) // 2 for names in depths(room).values())


def reading_room(room: str, y: float, pitch: float) -> Room:
    """Depth runs downwards, two products a line; what reads most from other rooms stands left."""
    boxes = {}
    line = 0
    for _, names in sorted(depths(room).items()):
        ordered = sorted(names, key=lambda name: -sum(SPECS[source].room != room for source in SPECS[name].upstream))
        for place, name in enumerate(ordered):
            boxes[name] = Box(
                name,
                RIGHT_X + PAD + place % 2 * (RIGHT_BOX + RIGHT_GAP),
                y + TITLE + 3 + (line + place // 2) * pitch,
                RIGHT_BOX,
                FILL[SPECS[name].level][1],
                bool(SPECS[name].reads),
            )
        line += (len(ordered) + 1) // 2
    height = TITLE + 3 + (line - 1) * pitch + BOX_HEIGHT + PAD
    return Room(room, RIGHT_X, y, 2 * PAD + 2 * RIGHT_BOX + RIGHT_GAP, height, boxes)


def arrow(path: str, kind: str, what: str) -> str:
    return f'<path d="{path}" class="{kind}" marker-end="url(#{kind})"><title>{escape(what)}</title></path>'


def across(x1: float, y1: float, x2: float, y2: float, kind: str, what: str) -> str:
    bend = max(18.0, (x2 - x1) * 0.5)
    return arrow(f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2 - 4:g},{y2:g}", kind, what)


def inside(room: Room, source: Box, target: Box, *, pitch: float) -> str:
    """An arrow between two products of a room; past a column it takes the lane below or above the boxes.

    ``pitch`` is the distance of lines where depth runs downwards, 0 where it runs to the right.
    """
    what = f"{source.name} -> {target.name}"
    if pitch:
        x1, y1 = source.x + source.width / 2, source.y + BOX_HEIGHT
        x2, y2 = target.x + target.width / 2, target.y
        if x1 == x2 and target.y - source.y > 1.5 * pitch:  # around the box between, on its right
            x1 = x2 = source.x + source.width
            lane, y1, y2 = x1 + 11, source.middle, target.middle
            return arrow(
                f"M{x1:g},{y1:g} C{lane:g},{y1:g} {lane:g},{y1:g} {lane:g},{y1 + 11:g} L{lane:g},{y2 - 11:g} "
                f"C{lane:g},{y2:g} {lane:g},{y2:g} {x2 + 4:g},{y2:g}",
                "in",
                what,
            )
        bend = (y2 - y1) * 0.45
        return arrow(f"M{x1:g},{y1:g} C{x1:g},{y1 + bend:g} {x2:g},{y2 - bend:g} {x2:g},{y2 - 4:g}", "in", what)
    if target.x - source.x <= ROOM_BOX + ROOM_GAP + 1:
        return across(source.x + source.width, source.middle, target.x, target.middle, "in", what)
    x1, x2 = source.x + source.width - 14, target.x + 14
    above = any(
        one.x in (source.x, target.x) and one.y > (source if one.x == source.x else target).y
        for one in room.boxes.values()
    )
    y1, y2 = (source.y, target.y) if above else (source.y + BOX_HEIGHT, target.y + BOX_HEIGHT)
    lane = min(y1, y2) - 9 if above else max(y1, y2) + 8
    return arrow(
        f"M{x1:g},{y1:g} C{x1:g},{lane:g} {x1:g},{lane:g} {x1 + 10:g},{lane:g} L{x2 - 10:g},{lane:g} "
        f"C{x2:g},{lane:g} {x2:g},{lane:g} {x2:g},{y2 - 4 if above else y2 + 4:g}",
        "in",
        what,
    )


def landed_boxes(rooms: dict[str, Room]) -> list[tuple[Box, Room]]:
    """Labs' files, each beside the first room that reads it."""
    beside: dict[str, list[str]] = defaultdict(list)
    for asset in definitions.landed_assets():
        modality = asset.key.path[-1].removesuffix("_batches")
        readers = [spec.room for spec in SPECS.values() if modality in spec.reads]
        beside[readers[0]].append(asset.key.path[-1])
    found = []
    for name, files in beside.items():
        room = rooms[name]
        pitch = BOX_HEIGHT + 6
        top = room.y + room.height / 2 - (len(files) - 1) * pitch / 2 - BOX_HEIGHT / 2
        for row, file in enumerate(files):
            found.append((Box(file, LANDED_X, top + row * pitch, LANDED_WIDTH, FILL["landed"][1]), room))
    return found


def between_rooms(rooms: dict[str, Room]) -> list[str]:
    """One arrow a (room, product of another room); the title names the tables."""
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, spec in SPECS.items():
        for source in spec.upstream:
            if SPECS[source].room != spec.room:
                wanted[SPECS[source].room, name].append(source)
    drawn = []
    leaving: dict[str, list[str]] = defaultdict(list)
    for room, name in wanted:
        leaving[room].append(name)
    for (room, name), sources in wanted.items():
        what = f"{', '.join(sources)} -> {name}"
        start, end = rooms[room], rooms[SPECS[name].room].boxes[name]
        if start.x == RIGHT_X:  # from one reading room to the next below it
            x = end.x + end.width / 2
            drawn.append(arrow(f"M{x:g},{start.y + start.height:g} L{x:g},{end.y - 4:g}", "out", what))
            continue
        order = sorted(leaving[room], key=lambda other: rooms[SPECS[other].room].boxes[other].y)
        share = (order.index(name) + 1) / (len(order) + 1)
        x1, y1 = start.x + start.width, start.y + share * start.height
        if end.x < RIGHT_X + RIGHT_BOX:
            drawn.append(across(x1, y1, end.x, end.middle, "out", what))
        else:  # to the right column: between the lines, then down
            x2, y2 = end.x + 14, end.y
            drawn.append(
                arrow(f"M{x1:g},{y1:g} C{x1 + 120:g},{y1:g} {x2:g},{y2 - 50:g} {x2:g},{y2 - 4:g}", "out", what)
            )
    return drawn


def draw() -> str:
    """The picture as SVG text; the same declarations give the same text."""
    rooms: dict[str, Room] = {}
    y = float(TOP)
    for name in definitions.ROOMS:
        if not reads_other_rooms(name):
            rooms[name] = modality_room(name, y)
            y += rooms[name].height + BETWEEN_ROOMS
    bottom = y - BETWEEN_ROOMS
    reading = [name for name in definitions.ROOMS if reads_other_rooms(name)]
    # The reading rooms' lines fill the same height.
    frames = len(reading) * (TITLE + 3 + BOX_HEIGHT + PAD) + (len(reading) - 1) * BETWEEN_READING_ROOMS
    pitch = (bottom - TOP - frames) / sum(lines_of(name) - 1 for name in reading)
    y = TOP
    for name in reading:
        rooms[name] = reading_room(name, y, pitch)
        y += rooms[name].height + BETWEEN_READING_ROOMS
    landed = landed_boxes(rooms)
    height = bottom + 12
    parts = [room.svg() for room in rooms.values()]
    parts += between_rooms(rooms)
    for box, room in landed:
        middle = min(max(box.middle, room.y + 8), room.y + room.height - 8)
        parts.append(across(box.x + box.width, box.middle, room.x, middle, "out", f"{box.name} -> {room.name}"))
    for name, spec in SPECS.items():
        for source in spec.upstream:
            if SPECS[source].room == spec.room:
                room = rooms[spec.room]
                shared = pitch if spec.room in reading else 0.0
                parts.append(inside(room, room.boxes[source], room.boxes[name], pitch=shared))
    parts += [box.svg() for room in rooms.values() for box in room.boxes.values()]
    parts += [box.svg() for box, _ in landed]
    return "\n".join([_head(height), *_legend(), *parts, "</svg>", ""])


def _head(height: float) -> str:
    marks = "".join(
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="6.5" markerHeight="6.5" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
        for kind, colour in (("in", LINE), ("out", BETWEEN))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
        f"font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" "
        f'font-size="11" fill="{INK}">\n'
        f"<title>Asset graph of palbo_assets</title>\n<defs>{marks}</defs>\n"
        f"<style>.room{{font-size:12px;font-weight:600}} .in{{fill:none;stroke:{LINE};stroke-width:1.1}} "
        f".out{{fill:none;stroke:{BETWEEN};stroke-width:1.3}} .note{{fill:{MUTED}}}</style>\n"
        f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>'
    )


def _legend() -> list[str]:
    parts = []
    x = float(LANDED_X)
    for label, fill in FILL.values():
        parts.append(
            f'<rect x="{x:g}" y="14" width="18" height="13" rx="2" fill="{fill}" stroke="{LINE}" '
            f'stroke-width="0.8"/><text x="{x + 24:g}" y="25">{label}</text>'
        )
        x += 44 + 6.3 * len(label)
    parts.append(
        f'<rect x="{x:g}" y="14" width="4" height="13" fill="{INK}"/>'
        f'<text x="{x + 10:g}" y="25">reads files itself</text>'
    )
    parts.append(
        f'<text x="{LANDED_X}" y="46" class="note">Colour: what one partition is. Dark arrows: inside a room. '
        "Light arrows: one for all that a product reads of another room.</text>"
    )
    return parts


if __name__ == "__main__":
    TARGET.write_text(draw(), encoding="utf-8")
