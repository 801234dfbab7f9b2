"""A Ray cluster of two nodes on this machine, and actors in environments of venvkit. Run by test_ray.py.

usage: python ray_cluster.py FOLDER, where FOLDER holds `wheels`; `slow` is the URL of an index that never answers.
Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

FOLDER = Path(sys.argv[1])
SLOW = sys.argv[2]
WHEELS = (FOLDER / "wheels").as_uri()
LOOPBACK = "127.0.0.1"
RESULT: dict[str, object] = {}


@ray.remote(num_cpus=0.1)
class Who:
    """Tells which interpreter it runs on, and what it sees."""

    def __init__(self, check=True):
        if check:
            from venvkit.integrations.ray import check_worker

            check_worker()

    def tell(self, name):
        import importlib

        module = importlib.import_module(name)
        return {
            "version": module.__version__,
            "prefix": sys.prefix,
            "node": ray.get_runtime_context().get_node_id(),
            "ray": [ray.__version__, ray.__file__],
        }


def field(*packages, **options):
    return {"venvkit": {"packages": list(packages), "find_links": [WHEELS], **options}}


def timed(runtime_env, name, **options):
    began = time.monotonic()
    actor = Who.options(runtime_env=runtime_env, **options).remote(check="venvkit" in runtime_env)
    told = ray.get(actor.tell.remote(name), timeout=120)
    return actor, told, round(time.monotonic() - began, 2)


def built():
    return sorted(path.parent.name for path in FOLDER.glob("home*/virtualenv/envs/*/venvkit.json"))


def failing(runtime_env):
    actor = Who.options(runtime_env=runtime_env).remote()
    try:
        return f"no error: {ray.get(actor.tell.remote('clash'), timeout=120)}"
    except ray.exceptions.RuntimeEnvSetupError as error:
        return str(error)


def main():
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 4, "node_ip_address": LOOPBACK, "resources": {"first": 100}},
    )
    cluster.add_node(num_cpus=4, node_ip_address=LOOPBACK, resources={"second": 100})
    ray.init(address=cluster.address, _node_ip_address=LOOPBACK, logging_level="ERROR", log_to_driver=False)
    try:
        first = Who.options(runtime_env=field("left"), resources={"first": 1}).remote()
        second = Who.options(runtime_env=field("right"), resources={"second": 1}).remote()
        RESULT["both"] = ray.get([first.tell.remote("clash"), second.tell.remote("clash")], timeout=180)
        before = built()
        times, actors = [], []
        for _ in range(8):
            actor, told, seconds = timed(field("six2"), "six2", resources={"first": 1})
            actors.append(actor)
            times.append(seconds)
        RESULT["eight"] = {"seconds": times, "built": sorted({*built()} - {*before}), "prefix": told["prefix"]}
        RESULT["unsatisfiable"] = failing(field("left", "right"))
        slow = field("late", index_url=SLOW, find_links=[])
        RESULT["timeout"] = failing({**slow, "config": {"setup_timeout_seconds": 4}})
        time.sleep(3)
        left = {path.name for path in FOLDER.glob("home*/virtualenv/envs/*")}
        RESULT["rubble"] = sorted(left - {*built()})
        RESULT["invalid"] = failing({"venvkit": {"engine": "vllm"}})
        for own in ("uv", "pip"):
            options = ["--no-index", "--find-links", WHEELS]
            theirs = {own: {"packages": ["six2"], {"uv": "uv_pip", "pip": "pip"}[own] + "_install_options": options}}
            try:
                times = []
                for _ in range(8):
                    actor, told, seconds = timed(theirs, "six2", resources={"second": 1})
                    actors.append(actor)
                    times.append(seconds)
                RESULT[own] = times
            except (ray.exceptions.RayError, ValueError) as error:
                RESULT[own] = f"skipped because {error}"
    finally:
        ray.shutdown()
        cluster.shutdown()
    RESULT["raylet"] = ray.__file__
    print(json.dumps(RESULT))


if __name__ == "__main__":
    main()
