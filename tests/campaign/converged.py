"""What an operator has made of the resources of a namespace, without what differs between two runs that are alike."""

RESOURCES = "apis/imageclassifier.dev/v1alpha1", "imageclassifiers"
CHILDREN = {
    "Secret": ("api/v1", "secrets"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Service": ("api/v1", "services"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
}
APPLIED_HASH = "imageclassifier.dev/applied-hash"  # of namespace and owner too
ASSIGNED = {"Service": ("clusterIP", "clusterIPs", "healthCheckNodePort")}
# Conditions whose reason depends on how long something has been waited for are compared without it.
TIMELESS = ("CredentialReady", "Suspended")


def path(where, namespace):
    return f"/{where[0]}/namespaces/{namespace}/{where[1]}"


def child_content(kind, item, autoscaled):
    spec = {key: value for key, value in item.get("spec", {}).items() if key not in ASSIGNED.get(kind, ())}
    if "ports" in spec:
        spec["ports"] = [{key: value for key, value in port.items() if key != "nodePort"} for port in spec["ports"]]
    if autoscaled and kind == "Deployment":
        del spec["replicas"]
    annotations = {key: value for key, value in item["metadata"].get("annotations", {}).items()
                   if not key.startswith("deployment.kubernetes.io/") and key != APPLIED_HASH}
    data = item.get("data")
    if kind == "Secret" and item["metadata"]["name"].endswith("-access"):
        data = sorted(data)  # drawn once
    return {"labels": item["metadata"].get("labels"), "annotations": annotations, "spec": spec, "data": data}


def resource_content(item):
    status = item.get("status", {})
    conditions = {entry["type"]: (entry["status"], entry["reason"]) if entry["type"] in TIMELESS else None
                  for entry in status.get("conditions", [])}
    return {"conditions": conditions, "visited": status.get("observedGeneration") == item["metadata"]["generation"]}


def content(api, namespace):
    """{name of a resource: {"status": ..., kind and name of a child: content}}; "gone" has what is left of deleted ones."""
    items = api.call("GET", path(RESOURCES, namespace))["items"]
    names = {item["metadata"]["uid"]: item["metadata"]["name"] for item in items}
    found = {item["metadata"]["name"]: {"status": resource_content(item)} for item in items}
    listed = {kind: api.call("GET", path(where, namespace))["items"] for kind, where in CHILDREN.items()}
    autoscaled = {owner_of(item) for item in listed["HorizontalPodAutoscaler"]}
    for kind, items in listed.items():
        for item in items:
            if owner := owner_of(item):
                name = f"{kind} {item['metadata']['name']}"
                if owner in names:
                    found[names[owner]][name] = child_content(kind, item, owner in autoscaled)
                else:
                    found.setdefault("gone", {"status": {"visited": True}})[name] = None
    return found


def owner_of(item):
    """The uid."""
    return next((owner["uid"] for owner in item["metadata"].get("ownerReferences", []) if owner["kind"] == "ImageClassifier"), None)


def differences(is_now, wanted, where=""):
    """Lines "path: is, wanted" for all that differs."""
    if isinstance(is_now or {}, dict) and isinstance(wanted or {}, dict):
        lines = []
        is_now, wanted = is_now or {}, wanted or {}
        for key in sorted({*is_now, *wanted}):
            lines += differences(is_now.get(key), wanted.get(key), f"{where}/{key}")
        return lines
    return [] if is_now == wanted else [f"{where}: is {is_now}, wanted {wanted}"]
