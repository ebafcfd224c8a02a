"""What W&B wrote to its files, as whoever sends them reads it."""

import json
import struct


def records(path):
    """Yield the protobuf records of a .wandb file: a LevelDB log of 32 KiB blocks."""
    from wandb.proto import wandb_internal_pb2

    content = path.read_bytes()
    assert content[:4] == b":W&B"
    at, parts = 7, []
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        parts.append(content[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


def history(path):
    rows = []
    for record in records(path):
        if record.HasField("history"):
            items = record.history.item
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
    return rows


def config(path):
    found = {}
    for record in records(path):
        updates = [record.run.config] if record.HasField("run") else []
        updates += [record.config] if record.HasField("config") else []
        for update in updates:
            found |= {
                i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in update.update
            }
    return found


def run_record(path):
    return next(record.run for record in records(path) if record.HasField("run"))
