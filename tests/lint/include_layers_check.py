#!/usr/bin/python3
"""Who may include whom: the table of docs/architecture.md, checked from the #include lines."""
import re

import repository

EVERYTHING = None
# folder -> folders (or single headers) of this repository that it may include besides itself
LAYERS = {
    "common": set(),
    "operator/api": {"common"},
    "operator/kubernetes": {"common", "operator/api"},
    "operator/runtime": {"common", "operator/api", "operator/kubernetes"},
    "operator/registry": {"common", "operator/kubernetes/transport.hpp", "operator/kubernetes/curl_transport.hpp",
                          "operator/kubernetes/tls_identity_source.hpp"},
    "operator/resources": {"common", "operator/api"},
    "operator/diagnosis": {"common", "operator/api", "operator/registry/preflight.hpp"},
    "operator/reconciler": {"common", "operator/api", "operator/kubernetes", "operator/runtime", "operator/registry",
                            "operator/resources", "operator/diagnosis"},
    "operator/app": EVERYTHING,
    "operator/cli": EVERYTHING,
    "operator": EVERYTHING,
    "inference-server/image": {"common"},
    "inference-server/preprocess": {"common", "inference-server/image"},
    "inference-server/postprocess": {"common"},
    "inference-server/demo": {"common", "inference-server/image"},
    "inference-server/model": {"common", "inference-server/image", "inference-server/preprocess",
                               "inference-server/postprocess", "inference-server/demo"},
    "inference-server/batching": {"common"},
    "inference-server/web": {"common"},
    "inference-server/config": {"common"},
    "inference-server/protocol": {"common", "inference-server/image", "inference-server/preprocess",
                                  "inference-server/postprocess", "inference-server/model/model.hpp",
                                  "inference-server/batching", "inference-server/demo", "inference-server/web"},
    "inference-server/app": EVERYTHING,
    "inference-server": EVERYTHING,
}
# third-party include prefix -> where it may stand (a path prefix)
CONFINED = {
    r"(cpprest|pplx)/": ("operator/kubernetes/cpprest_transport.cpp",),
    r"(torch|ATen|c10)/": ("inference-server/model/",),
    r"(dnnl|oneapi/dnnl)": ("inference-server/model/onednn_",),
    r"boost/": ("common/http_server", "operator/kubernetes/cpprest_transport.cpp"),
    r"(jpeglib|png|webp|gif_lib)": ("inference-server/image/", "inference-server/demo/"),
    r"curl/": ("operator/kubernetes/libcurl.hpp", "inference-server/model/fetch_model.cpp"),
    r"yaml-cpp/": ("operator/kubernetes/kubeconfig", "operator/cli/", "inference-server/config/config_file.cpp"),
    r"spdlog/": ("common/",),
    r"zlib": ("operator/api/packed_text.cpp", "inference-server/model/zip_archive.cpp",
              "inference-server/protocol/compression.cpp"),
    r"prometheus/": ("common/",),
    r"tl/": ("common/", "inference-server/image/", "inference-server/protocol/"),
    r"CLI/": ("operator/app/", "operator/cli/", "operator/main.cpp", "operator/kubectl_main.cpp", "inference-server/app/",
              "inference-server/main.cpp"),
}
# Headers may name JSON only by its forward declaration.
HEADER_FORBIDDEN = re.compile(r"nlohmann/json\.hpp|boost/|cpprest/|torch/|spdlog/|yaml-cpp/|prometheus/|CLI/")
# Internal headers of a wrapper that is split over several .cpp files.
HEADER_EXCEPTIONS = {"common/http_server_connection.hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.MULTILINE)


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


problems, checked = [], 0
for path in repository.files("common/*", "operator/*", "inference-server/*"):
    name = str(path)
    if not name.endswith((".cpp", ".hpp")):
        continue
    checked += 1
    folder = folder_of(name)
    if folder not in LAYERS:
        problems.append(f"{name}: folder {folder} is in no layer; add it to {__file__.rsplit('/', 1)[1]}")
        continue
    allowed = LAYERS[folder]
    for include in INCLUDE.findall((repository.ROOT / path).read_text(encoding="utf-8")):
        if include.startswith(("common/", "operator/", "inference-server/", "tests/")):
            target = folder_of(include)
            if allowed is not EVERYTHING and target != folder and target not in allowed and include not in allowed:
                problems.append(f"{name} includes {include}, which {folder} may not know")
            continue
        for pattern, places in CONFINED.items():
            if re.match(pattern, include) and not name.startswith(places):
                problems.append(f"{name} includes <{include}>, which belongs into {' or '.join(places)} only")
        if name.endswith(".hpp") and name not in HEADER_EXCEPTIONS and HEADER_FORBIDDEN.search(include):
            problems.append(f"{name}: <{include}> must not stand in a header")
repository.finish(problems, checked)
