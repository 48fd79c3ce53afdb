#!/usr/bin/env python3
"""Renders one template in this engine, in Apache Velocity and in airspeed, and prints ratios.

Usage: template-peers.py TIDEGATE_BENCH. Velocity needs javac and the Debian package velocity,
airspeed the Python package of that name; one that is missing is named and left out. Rounds are
interleaved; each figure is the median of five, with the smallest and the largest.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "bench", "templates")
ORACLE = os.path.join(HERE, "..", "edge", "tests", "mapping", "Oracle.java")
TEMPLATE = os.path.join(FOLDER, "order.vtl")
BODY = os.path.join(FOLDER, "order.json")
JARS = ["velocity.jar", "commons-collections3.jar", "commons-lang.jar"]
CLASSPATH = ":".join(os.path.join("/usr/share/java", jar) for jar in JARS)
ROUNDS = 5


def ours(bench):
    said = subprocess.run(
        [bench, "template", "--rounds", "1", "--renders", "20000"],
        check=True, capture_output=True, text=True).stdout
    return float(next(line.split()[1] for line in said.splitlines() if line.startswith("render")))


def velocity(classes):
    said = subprocess.run(
        ["java", "-cp", f"{CLASSPATH}:{classes}", "Oracle", "bench", TEMPLATE, BODY, "5000"],
        check=True, capture_output=True, text=True).stdout
    return min(float(line) for line in said.split())


def airspeed_round():
    import airspeed

    class Input:
        def __init__(self, body):
            self.document = json.loads(body)

        def path(self, _):
            return self.document

        def json(self, path):
            return json.dumps(self.document[path[2:]])

        def params(self, name):
            return "7" if name == "page" else ""

    class Util:
        def escapeJavaScript(self, text):
            return text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")

    template = airspeed.Template(open(TEMPLATE).read())
    body = open(BODY).read()

    def render():
        return template.merge({
            "input": Input(body), "util": Util(),
            "stageVariables": {"host": "orders.example.com"},
            "context": {"requestId": "r", "stage": "prod",
                        "identity": {"sourceIp": "203.0.113.9", "userAgent": "curl/8.5.0"},
                        "responseOverride": {"header": {}}}})

    render()
    count = 30
    start = time.perf_counter_ns()
    for _ in range(count):
        render()
    return (time.perf_counter_ns() - start) / count


def main():
    bench = sys.argv[1]
    peers = {"tidegate": lambda: ours(bench)}
    with tempfile.TemporaryDirectory() as classes:
        compiled = subprocess.run(
            ["javac", "-nowarn", "-cp", CLASSPATH, "-d", classes, ORACLE], capture_output=True)
        if compiled.returncode == 0:
            peers["velocity"] = lambda: velocity(classes)
        else:
            print("left out: velocity (install velocity and a JDK)")
        try:
            airspeed_round()
            peers["airspeed"] = airspeed_round
        except ImportError:
            print("left out: airspeed (pip install airspeed)")
        figures = {name: [] for name in peers}
        for _ in range(ROUNDS):
            for name, measure in peers.items():
                figures[name].append(measure())
    base = statistics.median(figures["tidegate"])
    for name, found in figures.items():
        middle = statistics.median(found)
        print(f"{name:10} {middle:12.0f} ns  ({min(found):.0f} to {max(found):.0f})"
              f"  {middle / base:8.1f} x")


if __name__ == "__main__":
    main()
