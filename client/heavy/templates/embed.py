"""Writes the templates as strings of C: embed.py OUTPUT FILE..."""
import pathlib
import sys

output, *files = map(pathlib.Path, sys.argv[1:])
lines = ["/* Made of the files in client/heavy/templates. */",
         '#include "client/heavy/plugin_new.h"', ""]
for file in files:
    name = "template_" + file.name.replace(".", "_").lower()
    lines.append(f"const char {name}[] = {{")
    data = file.read_bytes() + b"\0"
    lines += ["    " + ", ".join(f"'\\x{byte:02x}'" for byte in data[at:at + 16]) + ","
              for at in range(0, len(data), 16)]
    lines.append("};")
output.write_text("\n".join(lines) + "\n")
