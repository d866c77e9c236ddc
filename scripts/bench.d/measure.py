"""Load several servers in turn, many short rounds, and compare them with one of them.

Separate from the script that starts the servers: it knows an address, a process and perhaps a cookie of each.
Rounds alternate, because a machine is not the same from one minute to the next; what counts is the ratio within
a round. CPU time is that of the whole process tree, read before and after.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys

TICKS = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class Target:
    """One server: NAME,PID,URL and the header lines that follow."""

    def __init__(self, text):
        self.name, pid, self.url, *self.headers = text.split("|")
        self.pid = int(pid)
        self.rounds = []


def processes(root):
    """The process and all its descendants."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(entry))
    found, remaining = [], [root]
    while remaining:
        pid = remaining.pop()
        found.append(pid)
        remaining += children.get(pid, [])
    return found


def cpu_seconds(root):
    ticks = 0
    for pid in processes(root):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident_mib(root):
    """Proportional memory, so that pages shared by workers count once."""
    kib = 0
    for pid in processes(root):
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            kib += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))
    return kib / 1024


def load(target, connections, seconds):
    """One round of wrk; requests per second, latencies in ms, CPU microseconds per request, memory."""
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for header in target.headers:
        command += ["-H", header]
    before = cpu_seconds(target.pid)
    output = subprocess.run(command + [target.url], capture_output=True, text=True, check=True).stdout
    cpu = cpu_seconds(target.pid) - before
    if re.search(r"Non-2xx|Socket errors", output):
        sys.exit(f"{target.name} answered with errors:\n{output}")
    latency = dict(re.findall(r"^\s+(50|99)%\s+(\S+)", output, re.M))
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    return {
        "req/s": float(re.search(r"Requests/sec:\s+(\S+)", output).group(1)),
        "p50 ms": millis(latency["50"]),
        "p99 ms": millis(latency["99"]),
        "CPU us/req": cpu / requests * 1e6,
        "memory MiB": resident_mib(target.pid),
    }


def millis(text):
    number, unit = re.fullmatch(r"([\d.]+)(\D+)", text).groups()
    return float(number) * UNITS[unit]


def report(targets, reference, connections):
    columns = list(targets[0].rounds[0])
    print(f"\n{connections} connections, median of {len(targets[0].rounds)} rounds")
    print(f"{'':14}" + "".join(f"{column:>14}" for column in columns) + f"{'req/s ratio':>14}{'CPU ratio':>12}")
    for target in targets:
        medians = [statistics.median(round[column] for round in target.rounds) for column in columns]
        pairs = list(zip(target.rounds, reference.rounds))
        ratios = [
            statistics.median(ours[column] / theirs[column] for ours, theirs in pairs)
            for column in ("req/s", "CPU us/req")
        ]
        numbers = "".join(f"{median:14.2f}" for median in medians)
        print(f"{target.name:14}{numbers}{ratios[0]:14.2f}{ratios[1]:12.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=4, help="length of one round")
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--reference", required=True, help="the target that ratios are taken to")
    parser.add_argument("targets", nargs="+", type=Target, help="NAME|PID|URL[|HEADER...]")
    arguments = parser.parse_args()
    reference = next(target for target in arguments.targets if target.name == arguments.reference)
    for connections in arguments.connections:
        for target in arguments.targets:
            target.rounds.clear()
            load(target, connections, 1)
        for number in range(arguments.rounds):
            turn = number % len(arguments.targets)
            for target in arguments.targets[turn:] + arguments.targets[:turn]:
                target.rounds.append(load(target, connections, arguments.seconds))
        report(arguments.targets, reference, connections)


main()
