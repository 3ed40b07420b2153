"""embed.py OUT FILE...: the page's files as the table that assets.h declares."""
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def main(out, names):
    lines = ['/* made by embed.py */', '#include "client/heavy/ui/assets.h"', ""]
    table = []
    for index, name in enumerate(map(pathlib.Path, names)):
        data = name.read_bytes()
        lines.append(f"static const unsigned char file_{index}[] = {{")
        lines += ["    " + "".join(f"{byte}," for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
        lines.append("};")
        path = "/" if name.name == "index.html" else f"/{name.name}"
        table.append(f'    {{"{path}", "{TYPES[name.suffix]}", file_{index}, sizeof file_{index}}},')
    lines += ["", "const struct asset assets[] = {", *table, "    {NULL, NULL, NULL, 0},", "};", ""]
    pathlib.Path(out).write_text("\n".join(lines))


main(sys.argv[1], sys.argv[2:])
