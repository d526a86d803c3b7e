#!/usr/bin/env python3
"""Holds what the engine told about a recorded node against the truth beside the recording.

    judge.py TIMELINE.jsonl TRUTH.tsv [--cut]

A line of the timeline is {"at": time, "incident": {...}}: an incident as it was from that time on.
The truth has a row for each thing that went wrong. Prints what is not right, one line each, and
ends with 1 if there is any. With --cut the recording ends just before the fix: nothing may have
recovered. Shares no code with the engine.
"""

import json
import sys
from datetime import datetime, timedelta, timezone


def when(text):
    if not text or text == "-":
        return None
    text = text.replace("Z", "+00:00")
    # Nanoseconds are more than fromisoformat takes.
    if "." in text:
        head, rest = text.split(".", 1)
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        text = head + "." + digits[:6].ljust(6, "0") + rest[len(digits):]
    return datetime.fromisoformat(text).astimezone(timezone.utc)


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    return [dict(zip(lines[0], cells)) for cells in lines[1:]]


class Story:
    """One incident, from its first word to its last."""

    def __init__(self, identity):
        self.identity = identity
        self.versions = []

    @property
    def last(self):
        return self.versions[-1][1]

    @property
    def settled(self):
        """As it was before its pods were taken away, which ends every scenario."""
        kept = [version for _, version in self.versions if version["state"] != "superseded"]
        return kept[-1] if kept else self.last

    def causes(self):
        return {version["cause"]["id"] for _, version in self.versions}

    def uids(self):
        return {pod.get("uid") for _, version in self.versions for pod in version["pods"]}

    def names(self):
        return {
            (pod.get("namespace"), pod.get("name"))
            for _, version in self.versions
            for pod in version["pods"]
        }

    def hits(self, row):
        """Whether it is about the pod, or the node, that the row names."""
        if row["pod"] == "-":
            return self.last["scope"] == "node"
        return row["uid"] in self.uids() or (row["namespace"], row["pod"]) in self.names()

    def __str__(self):
        last = self.last
        return (
            f"{self.identity[:8]} {last['scope']} {last['state']} {last['cause']['id']} "
            f"step={last['step']} reason={last['reason']} exit={last['exit_code']} "
            f"pods={[pod.get('name') for pod in last['pods']]}"
        )


def stories_of(path):
    stories = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            told = json.loads(line)
            incident = told["incident"]
            story = stories.setdefault(incident["id"], Story(incident["id"]))
            story.versions.append((when(told["at"]), incident))
    return stories


def accepted(row):
    also = set() if row["also"] in ("-", "") else set(row["also"].split("|"))
    return {row["cause"]} | also


def wrong_facts(row, story):
    """What the incident says otherwise than the row."""
    def ever(field):
        return {version[field] for _, version in story.versions}

    found = []
    if row["step"] != "-" and story.last["scope"] != "node" and row["step"] not in ever("step"):
        found.append(f"step {sorted(map(str, ever('step')))}, not {row['step']}")
    if row["reason"] != "-" and story.last["scope"] != "node" and row["reason"] not in ever("reason"):
        found.append(f"reason {sorted(map(str, ever('reason')))}, not {row['reason']}")
    containers = {
        pod.get("container") for _, version in story.versions for pod in version["pods"]
    }
    if row["container"] != "-" and row["container"] not in containers:
        found.append(f"container {sorted(map(str, containers))}, not {row['container']}")
    exits = {str(code) for code in ever("exit_code") if code is not None}
    if row["exit_code"] != "-" and story.last["scope"] != "node" and row["exit_code"] not in exits:
        found.append(f"exit code {sorted(exits)}, not {row['exit_code']}")
    return found


def own_or_parent(row, story, stories):
    """The row's own incident has an accepted cause, or is a member of one that has."""
    if accepted(row) & {story.last["cause"]["id"]}:
        return True
    parent = stories.get(story.last.get("parent") or "")
    return parent is not None and parent.last["cause"]["id"] in accepted(row)


def judge_row(row, stories, cut, wrong):
    what = f"{row['scenario']}: {row['pod']} {row['container']} {row['cause']}"
    mine = [story for story in stories.values() if story.hits(row)]
    told = [story for story in mine if own_or_parent(row, story, stories)]
    if not told:
        wrong.append(f"{what}: no incident has this cause; told: {[str(story) for story in mine]}")
        return
    exact = [story for story in told if not wrong_facts(row, story)]
    if not exact:
        wrong.append(f"{what}: {wrong_facts(row, told[0])} in {told[0]}")
    fixed, recovered = when(row["fixed"]), when(row["recovered"])
    for story in exact or told:
        for at, version in story.versions:
            is_better = version["state"] in ("recovering", "resolved")
            if is_better and (cut or fixed is None or at < fixed):
                wrong.append(
                    f"{what}: {version['state']} at {at}, fixed {row['fixed']}: {version['proof']}"
                )
            if version["rung"] != len(version["proof"]):
                wrong.append(f"{what}: rung {version['rung']} with proof {version['proof']}")
        if recovered is not None and any(
            version["state"] == "superseded" and at <= recovered + timedelta(seconds=5)
            for at, version in story.versions
        ):
            # It was put right by taking the pod away, or by another one in its place.
            continue
        state = story.settled["state"]
        if recovered is not None and not cut and state not in ("recovering", "resolved"):
            wrong.append(f"{what}: recovered at {row['recovered']}, but is {state}: {story}")
        if recovered is not None and not cut and story.settled["rung"] < 1:
            wrong.append(f"{what}: recovered, and no rung is proven: {story}")
        if recovered is None and state == "resolved":
            wrong.append(f"{what}: never recovered, but is resolved: {story}")


def is_wanted(story, rows, stories):
    """It covers a row, itself or as a member of one that does."""
    for row in rows:
        if row["cause"] == "-":
            continue
        if story.hits(row) and own_or_parent(row, story, stories):
            return True
        # A pod's own row may be told as part of the node's incident.
        if row["pod"] == "-" and story.last["cause"]["id"] in accepted(row):
            return True
    return False


def main():
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    cut = "--cut" in sys.argv
    stories, rows = stories_of(arguments[0]), rows_of(arguments[1])
    wrong = []
    for row in rows:
        if row["cause"] == "-":
            for story in stories.values():
                if story.hits(row) and story.last["state"] not in ("resolved", "superseded"):
                    wrong.append(f"{row['scenario']}: nothing is to stay open, but {story}")
        else:
            judge_row(row, stories, cut, wrong)
    namespaces = {row["namespace"] for row in rows}
    for story in stories.values():
        # Earlier scenarios are still being cleaned up in the background of a recording.
        is_ours = story.last["scope"] == "node" or any(
            namespace in namespaces for namespace, _ in story.names()
        )
        if is_ours and not is_wanted(story, rows, stories):
            is_harmless = any(row["cause"] == "-" for row in rows) and story.last["state"] in (
                "resolved",
                "superseded",
            )
            if not is_harmless:
                wrong.append(f"spurious: {story}")
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
