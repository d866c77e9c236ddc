"""Load several servers in turn, many short rounds, and compare them with one of them.

Separate from the script that starts the servers: it knows an address, a process and perhaps a cookie of each.
Rounds alternate, because a machine is not the same from one minute to the next; what counts is the ratio within
a round. CPU time is that of the whole process tree, read before and after.

A target whose name ends in "-tls" is compared with the reference that does, if there is one.
"""

import argparse
import os
import pathlib
import re
import socket
import ssl
import statistics
import subprocess
import sys
import time
import urllib.parse

TICKS = os.sysconf("SC_CLK_TCK")
LATENCIES = str(pathlib.Path(__file__).with_name("latencies.lua"))
RATIOS = ("req/s", "p99 ms", "CPU us/req")
# What a proxy adds to the latency of the application.
ADDED = ("p50 ms", "p99 ms")


class Target:
    """One server: NAME|PID|URL and the header lines that follow. Several processes: PID+PID."""

    def __init__(self, text):
        self.name, pids, self.url, *self.headers = text.split("|")
        self.pids = [int(pid) for pid in pids.split("+")]
        self.rounds = []


def processes(roots):
    """The processes and all their descendants."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(entry))
    found, remaining = [], list(roots)
    while remaining:
        pid = remaining.pop()
        found.append(pid)
        remaining += children.get(pid, [])
    return found


def cpu_seconds(roots):
    ticks = 0
    for pid in processes(roots):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident_mib(roots):
    """Proportional memory, so that pages shared by workers count once."""
    kib = 0
    for pid in processes(roots):
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            kib += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))
    return kib / 1024


def load(target, path, connections, seconds):
    """One round of wrk; requests per second, latencies in ms, CPU microseconds per request, memory."""
    command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "-s", LATENCIES]
    for header in target.headers:
        command += ["-H", header]
    before = cpu_seconds(target.pids)
    output = subprocess.run(command + [target.url + path], capture_output=True, text=True, check=True).stdout
    cpu = cpu_seconds(target.pids) - before
    told = dict(re.findall(r"^measured (\S+) (\S+)$", output, re.M))
    if int(told["errors"]):
        sys.exit(f"{target.name} answered with errors:\n{output}")
    requests = max(int(told["requests"]), 1)
    return {
        "req/s": requests / (int(told["us"]) / 1e6),
        "p50 ms": int(told["p50"]) / 1e3,
        "p99 ms": int(told["p99"]) / 1e3,
        "p99.9 ms": int(told["p999"]) / 1e3,
        "CPU us/req": cpu / requests * 1e6,
        "memory MiB": resident_mib(target.pids),
    }


def connect(target, timeout=60):
    """A connection to a target, and whether it was the address that it names."""
    url = urllib.parse.urlsplit(target.url)
    stream = socket.create_connection((url.hostname, url.port), timeout)
    if url.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        stream = context.wrap_socket(stream)
    return stream


def stream(target, path):
    """Takes one large response as fast as it comes; GB/s, CPU milliseconds per GB, memory."""
    url = urllib.parse.urlsplit(target.url)
    headers = target.headers or [f"Host: {url.netloc}"]
    lines = [f"GET {path} HTTP/1.1", *headers, "Connection: close", "", ""]
    before, began, octets = cpu_seconds(target.pids), time.monotonic(), 0
    with connect(target) as connection:
        connection.sendall("\r\n".join(lines).encode())
        buffer = bytearray(1 << 20)
        while count := connection.recv_into(buffer):
            octets += count
    seconds, cpu = time.monotonic() - began, cpu_seconds(target.pids) - before
    if octets < 1 << 29:
        sys.exit(f"{target.name} sent {octets} octets of a large response: {bytes(buffer[:200])}")
    gigabytes = octets / 1e9
    return {"GB/s": gigabytes / seconds, "CPU ms/GB": cpu / gigabytes * 1e3, "memory MiB": resident_mib(target.pids)}


def reference_of(target, targets, name):
    """What a target is compared with."""
    found = {other.name: other for other in targets}
    if target.name.endswith("-tls") and f"{name}-tls" in found:
        return found[f"{name}-tls"]
    return found[name]


def report(title, targets, reference, ratios):
    columns = list(targets[0].rounds[0])
    behind = next((one for one in targets if one.name == "application"), None)
    added = [column for column in ADDED if behind and column in columns]
    print(f"\n{title}, median of {len(targets[0].rounds)} rounds; ratios to {reference} of the same round", end="")
    print(", and what is added to the application itself" if added else "")
    heads = [f"{column:>12}" for column in columns] + [f"{'x ' + ratio:>14}" for ratio in ratios]
    print(f"{'':16}" + "".join(heads) + "".join(f"{'+ ' + column:>10}" for column in added))
    for target in targets:
        numbers = "".join(
            f"{statistics.median(one[column] for one in target.rounds):12.2f}" for column in columns
        )
        pairs = list(zip(target.rounds, reference_of(target, targets, reference).rounds))
        for column in ratios:
            known = [ours[column] / theirs[column] for ours, theirs in pairs if theirs[column]]
            numbers += f"{statistics.median(known):14.2f}" if known else f"{'-':>14}"
        for column in added:
            differences = [ours[column] - theirs[column] for ours, theirs in zip(target.rounds, behind.rounds)]
            numbers += f"{statistics.median(differences):10.2f}"
        print(f"{target.name:16}{numbers}", flush=True)


def alternate(targets, rounds, measure):
    for target in targets:
        target.rounds.clear()
    for number in range(rounds):
        turn = number % len(targets)
        for target in targets[turn:] + targets[:turn]:
            target.rounds.append(measure(target))


def idle_memory(target, count):
    """What a connection costs on which nothing is said after one request: so many, in two halves with a rest between,
    since connections come and go, and what the first half needed for its requests may serve the second."""
    url = urllib.parse.urlsplit(target.url)
    lines = ["GET /1k HTTP/1.1", *(target.headers or [f"Host: {url.netloc}"]), "", ""]
    before = resident_mib(target.pids)
    connections = []
    for number in range(count):
        if number == count // 2:
            time.sleep(1)
        connection = connect(target)
        connection.sendall("\r\n".join(lines).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        connections.append(connection)
    time.sleep(1)
    after = resident_mib(target.pids)
    for connection in connections:
        connection.close()
    print(f"{target.name:16}{before:10.1f} MiB before{(after - before) * 1024 / count:10.1f} KiB a connection", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=2, help="length of one round")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16, 64, 256], help="for 1 kB")
    parser.add_argument("--large", type=int, nargs="*", default=[64], help="connections for 64 kB")
    parser.add_argument("--streams", type=int, default=1, help="rounds of one response of 1 GB; 0 for none")
    parser.add_argument("--idle", type=int, default=500, help="idle connections whose memory is measured; 0 for none")
    parser.add_argument("--reference", required=True, help="the target that ratios are taken to")
    parser.add_argument("targets", nargs="+", type=Target, help="NAME|PID|URL[|HEADER...]")
    arguments = parser.parse_args()
    targets, reference = arguments.targets, arguments.reference
    cases = [("/1k", count) for count in arguments.connections] + [("/64k", count) for count in arguments.large]
    if arguments.idle:
        print("\nmemory of idle connections")
        for target in targets:
            idle_memory(target, arguments.idle)
    for path, connections in cases:
        for target in targets:
            load(target, path, connections, 1)
        alternate(targets, arguments.rounds, lambda target: load(target, path, connections, arguments.seconds))
        report(f"{path[1:]}, {connections} connections", targets, reference, RATIOS)
    if arguments.streams:
        alternate(targets, arguments.streams, lambda target: stream(target, "/1g"))
        report("one response of 1 GB", targets, reference, ("GB/s", "CPU ms/GB"))


main()
