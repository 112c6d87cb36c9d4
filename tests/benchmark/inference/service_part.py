"""The whole service over HTTP beside what people would write."""

import random
from pathlib import Path

from reporting import TIE, Progress, at_least, at_most, say
from services import Load, Service, form

HERE = Path(__file__).resolve().parent
GUNICORN = ["-m", "gunicorn", "--chdir", HERE, "--bind", "127.0.0.1:{port}", "class_project:app"]
CLASS_PROJECT = {"class-app.run": [HERE / "class_project.py", "{port}"],
                 "class-gunicorn-1-worker-2-threads": [*GUNICORN, "--threads", "2"],
                 "class-gunicorn-2-workers": [*GUNICORN, "--workers", "2"]}
CLIENTS = (1, 4, 16)


def start(bench, name):
    engine, _, rest = name.partition("-")
    if engine == "ours":
        return bench.ours(name, rest)
    environment = dict(bench.environment, BENCH_FOLDER=str(bench.folder))
    if engine == "class":
        return Service(name, [bench.python, *CLASS_PROJECT[name]], environment)
    precision, *tuned = rest.split("/")
    return Service(name, [bench.python, HERE / "peer.py", engine, precision, bench.folder, "{port}", *tuned], environment)


def measure_services(bench):
    """By pictures a second and the slowest hundredth, of uploads of one form."""
    peers = [f"{engine}-{precision}" for engine in ("onnxruntime", "openvino", "openvino_streams") for precision in ("float32", "int8")]
    ours = ["ours-auto", "ours-int8", "ours-float32"]
    names = ours + list(CLASS_PROJECT) + peers
    sizes = {"small": names, "large": names + [f"{name}/draft" for name in peers]}
    rates, slowest, starts, memory = {}, {}, {}, {}
    progress = Progress("services")
    for name in random.sample(sizes["large"], len(sizes["large"])):
        progress.at(f"starting {name}")
        service = start(bench, name)
        starts[name] = service.first_answer(form(bench.folder / "small.jpg"))
        service.wait_until_warm()
        for size in [size for size, members in sizes.items() if name in members]:
            body = form(bench.folder / f"{size}.jpg")
            Load(service, body, max(CLIENTS), 1)  # until each of its threads and processes is warm
            for clients in CLIENTS:
                progress.at(f"{name}, {size}, {clients} at a time")
                load = Load(service, body, clients, bench.options.seconds)
                rates[name, size, clients], slowest[name, size, clients] = load.rate, load.percentile(0.99)
                say(f"  {name:32} {size} {clients:3} {load.rate:7.2f}/s  p50 {load.percentile(0.5):7.0f} ms  p99 {load.percentile(0.99):7.0f} ms"
                    + (f"  {load.failures} failed" if load.failures else ""))
                if name in ours:
                    at_most(f"service_{name.replace('-', '_')}_{size}_{clients}_failures", load.failures, 0)
        memory[name] = service.memory()
        service.end()
    say("\nservice, s to its first 200, MB after the load, pictures/s with " + ", ".join(map(str, CLIENTS)) + " clients (small; large)")
    for name in sorted(starts, key=starts.get):
        columns = "; ".join(" ".join(f"{rates.get((name, size, clients), 0):6.2f}" for clients in CLIENTS) for size in sizes)
        say(f"  {name:32} {starts[name]:6.2f} {memory[name]:6.0f}  {columns}")
    for size, least in (("small", 7), ("large", 6)):
        mine = max(rates["ours-auto", size, clients] for clients in CLIENTS)
        theirs = max(rates[name, size, clients] for name in CLASS_PROJECT for clients in CLIENTS)
        at_least(f"service_auto_{size}_against_the_class_project", mine / theirs, least, "x")
        p99 = min(slowest[name, size, 16] for name in CLASS_PROJECT)
        at_most(f"service_auto_{size}_p99_of_16_against_the_class_project", slowest["ours-auto", size, 16] / p99, 0.2, "x")
    for precision, small in (("int8", 1.4), ("float32", 1.1)):
        as_written = [name for name in peers if name.endswith(precision) and not bench.unheld(name)]
        tuned = [f"{name}/draft" for name in as_written]
        for size, against, least in (("small", as_written, small), ("large", as_written, 2.5), ("large", tuned, 1.5)):
            words = f"{precision}_{size}_against_the_best_peer" + ("_with_draft" if against is tuned else "")
            ratios = [rates[f"ours-{precision}", size, clients] / max(rates[name, size, clients] for name in against) for clients in CLIENTS]
            at_least(f"service_{words}", min(ratios), least, "x")
            p99 = [slowest[f"ours-{precision}", size, clients] / min(slowest[name, size, clients] for name in against)
                   for clients in CLIENTS]
            at_most(f"service_{words}_p99", max(p99), TIE, "x")
