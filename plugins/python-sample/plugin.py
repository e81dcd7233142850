#!/usr/bin/python3
"""A Dockline plugin in Python: tells each line of a growing text file (order;item;quantity) as a confirmed pick.

host.py is what any plugin in Python needs; this file is the plugin.
"""

import os
import sys
import time

import host
from dockline.v1 import event_pb2, plugin_pb2

SCHEMA = """{"type": "object", "additionalProperties": false, "required": ["file"], "properties": {
  "file": {"type": "string", "description": "whole path of the file that the picks are appended to"}}}"""


class Picks(host.Source):
    """One line of the file is one pick; the cursor is the number of bytes that have been told."""

    def describe(self):
        return plugin_pb2.DescribeResponse(name="python-picks", version="1.0.0", config_schema=SCHEMA, rereadable=True,
                                           kinds=[event_pb2.EVENT_KIND_PICK_CONFIRMED])

    def check(self, config):
        """Every fault at once: (key, line, what to do)."""
        for key, line in config.lines.items():
            if key != "file":
                yield key, line, f"there is no key {key}; write file"
        if not os.path.isabs(str(config.values.get("file", ""))):
            yield "file", config.lines.get("file", 0), "no file: write its whole path"

    def capture(self, config, cursor, stream):
        told = int(cursor or b"0")
        while not stream.draining():
            events, told = self.read(config.values["file"], told)
            if events:
                stream.emit(events, str(told).encode())  # waits while the window is full
            else:
                time.sleep(0.1)

    def read(self, path, told):
        """The next lines that are whole; one that is still being written waits."""
        events = []
        with open(path, "rb") as file:
            file.seek(told)
            for raw in file:
                if not raw.endswith(b"\n") or len(events) == 100:
                    break
                events.append(self.event(raw, told))
                told += len(raw)
        return events, told

    def event(self, raw, offset):
        text = raw.decode("utf-8", "replace").strip()
        event = event_pb2.Event(source_key=f"line/{offset}", source_revision="1", origin=f"byte {offset}")
        event.occurred_at.GetCurrentTime()
        try:
            order, item, quantity = text.split(";")
        except ValueError:  # nothing is lost: the host keeps it as a dead letter
            event.kind = event_pb2.EVENT_KIND_RECORD_REFUSED
            event.dead_letter.CopyFrom(event_pb2.DeadLetter(code="columns_missing", text="the line is not order;item;quantity", raw=raw))
            setattr(event.dead_letter, "class", event_pb2.FAULT_CLASS_DATA)
            return event
        event.kind, event.subject = event_pb2.EVENT_KIND_PICK_CONFIRMED, order
        line = event.pick.lines.add(order=order, item=item)
        line.quantity.value, line.quantity.unit = quantity, "EA"
        return event


if __name__ == "__main__":
    sys.exit(host.serve(Picks()))
