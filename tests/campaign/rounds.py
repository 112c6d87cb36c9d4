"""What the campaigns share: arguments, resumable state, a control plane, the last line."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARIES = ROOT / "build" / os.environ.get("PRESET", "release")
CONTROL_PLANE = ROOT / "tests/integration/control_plane"


def run_test_program(plane, program, case, seed, rounds):
    """True when this case of the Catch2 program passed; its output is shown when not."""
    environment = {**os.environ, "IC_CONTROL_PLANE": str(plane), "IC_SEED": str(seed), "IC_ROUNDS": str(rounds)}
    result = subprocess.run([BINARIES / "tests" / program, case], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=1800)
    if result.returncode != 0:
        print(result.stdout[-8000:], flush=True)
    return result.returncode == 0


def run_server_test(name, **environment):
    """True when tests/inference-server/NAME_test.py passed with the programs of the build; it prints its own totals."""
    environment = {**os.environ, **{key: str(value) for key, value in environment.items()}}
    command = [ROOT / f"tests/inference-server/{name}_test.py", BINARIES / "bin/inference-server", BINARIES / "tests/write_seeded_model"]
    return subprocess.run(command, env=environment, timeout=3600).returncode == 0


def main(name, default_rounds, chunk, run_chunk, control_plane=True):
    """run_chunk(folder of a control plane, or of nothing, seed, rounds) -> passed. Chunks have the seeds S, S+1, ..."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--rounds", type=int, default=default_rounds)
    parser.add_argument("--seed", type=int, default=1, help="of the first part; the next parts count on")
    parser.add_argument("--state", type=pathlib.Path, required=True,
                        help="folder of the progress; the same folder again goes on where it ended, unless something failed")
    parser.add_argument("--minutes", type=float,
                        default=float(os.environ.get("CAMPAIGN_MINUTES") or 60), help="no new part is begun after this time")
    options = parser.parse_args()
    state = options.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    progress = state / f"{name}.json"
    done = {"seed": options.seed, "rounds": 0, "parts": 0, "failed": []}
    if progress.exists():
        earlier = json.loads(progress.read_text())
        if earlier["seed"] == options.seed and earlier["rounds"] < options.rounds and not earlier["failed"]:
            done = earlier
    plane = state / f"{name}.control_plane"
    if control_plane:
        subprocess.run([CONTROL_PLANE, "up", "--state", plane], check=True)
    started = time.monotonic()
    try:
        while done["rounds"] < options.rounds and time.monotonic() - started < options.minutes * 60:
            seed = options.seed + done["parts"]
            rounds = min(chunk, options.rounds - done["rounds"])
            if not run_chunk(plane, seed, rounds):
                done["failed"].append(seed)
            done["rounds"] += rounds
            done["parts"] += 1
            progress.write_text(json.dumps(done))
            print(f"campaign {name}: {done['rounds']} of {options.rounds} rounds, {len(done['failed'])} failures, "
                  f"{time.monotonic() - started:.0f} s", flush=True)
    finally:
        if control_plane:
            subprocess.run([CONTROL_PLANE, "down", "--state", plane], check=False)
    if done["failed"]:
        print(f"campaign {name}: failed seeds {done['failed']}")
    print(f"campaign {name}: {done['rounds']} rounds, {len(done['failed'])} failures, "
          f"seeds {options.seed}..{options.seed + max(0, done['parts'] - 1)}", flush=True)
    sys.exit(1 if done["failed"] or done["rounds"] < options.rounds else 0)
