"""docs/troubleshooting.md: how to read a status, and one section for each reason."""
import re

from .markdown import anchor, plain, table
from .unexpected import Unexpected

# What stands for a placeholder of the table, and where the word before it says already of what it is the name.
PLACEHOLDERS = {
    "advice": "what to do about the cause", "claim": "name of the claim", "container": "name of the container", "digest": "digest", "detail": "cause", "field": "field", "image": "image", "key": "key", "label": "label", "kind": "kind", "limit": "its limit, or the node has", "name": "name of the ImageClassifier", "platforms": "platforms", "who": "a node or the operator", "why": "what in the specification asks for that",
    "namespace": "namespace", "object": "name of the object", "secret": "name of the Secret", "server": "host of the registry",
    "service": "name of the Service", "source": "Secret or identity of yours", "url": "URL",
    "account": "name of the ServiceAccount", "annotation": "client-id or tenant-id", "cause": "Why.", "cloud": "cloud",
    "identity": "identity",
    "revision": "the one that failed", "running": "the image before", "good": "the one before", "remedy": "What to do about the cause.",
}
BEHIND_A_NOUN = {
    "image": {"image": "name"}, "namespace": {"namespace": "name"}, "registry": {"server": "host"},
    "Service": {"service": "name", "object": "name"}, "Deployment": {"name": "name", "object": "name"},
    "Secret": {"secret": "name"}, "ServiceAccount": {"account": "name"}, "ConfigMap": {"object": "name"},
    "PersistentVolumeClaim": {"claim": "name", "object": "name"}, "container": {"container": "name"}, "key": {"key": "name"},
}
WHOLE = {
    "Ready": "The summary: the classifier answers, or is meant to run no pod. If not, reason and message are those of the cause: what "
             "is broken goes before what is on its way, and of several the first in the order credential, image, pods, "
             "rollback, endpoint, other objects.",
    "Reconciling": "Not ready, and it goes on by itself or is tried again. Waiting may help.",
    "Stalled": "Not ready, and trying again cannot help until somebody changes something; the message says what. Never True together "
               "with Reconciling.",
    "RolledBack": "The wanted revision has failed, with this reason, and the last good one runs in its place. Where pods are "
                  "wanted, Ready is False with the same reason and Stalled is True, until their specification changes.",
    "Suspended": "No pod is wanted, on purpose; the Service and its address stay. Ready is True once the last has ended, if nothing "
                 "else is broken.",
}
CONDITIONS = WHOLE | {
    "CredentialReady": "There is a pull credential that works as far as is known, or none is needed.",
    "ImageResolved": "The registry holds the image: the operator has looked it up before a node has to. Unknown where it cannot or may not "
                     "ask; the nodes pull all the same. Ready does not depend on it while the wanted pods run.",
    "WorkloadAvailable": "The wanted pods run and pass readiness. It stays True while new pods are rolled out beside the ones that "
                         "serve, though Ready is False until they took over.",
    "EndpointReady": "The address answered HTTP 200 to the operator. Unknown where nothing is to answer.",
    "SelfTestPassed": "A pod of the wanted revision has classified the reference picture as expected. Only with `spec.selfTest`.",
    "AutoscalerActive": "The autoscaler finds out how busy the pods are and may change their number. Only with `spec.autoscaling`; Ready "
                        "does not depend on it, because as many pods as before serve.",
}
GROUPS = {
    "pull": ("Image pull", "In `WorkloadAvailable`; where the credential or the image's name is the cause also, or only, in "
             "`CredentialReady`. They come from what the node's container runtime says."),
    "credential": ("Credential", "In `CredentialReady`. While there is no usable credential, no first pod is started."),
    "image": ("Image in the registry", "In `ImageResolved`. They come from the operator's own look at the registry."),
    "workload": ("Pods", "In `WorkloadAvailable`; those of the self-test also, or only, in `SelfTestPassed`."),
    "endpoint": ("Load balancer and endpoint", "In `EndpointReady`. Those of the load balancer come from the Events of the Service."),
    "autoscaler": ("Autoscaler", "In `AutoscalerActive`. They come from the conditions of the HorizontalPodAutoscaler."),
    "object": ("Objects that the operator makes", "In the condition of the object that the message names: `CredentialReady` for a "
               "Secret, `WorkloadAvailable` for the Deployment, `EndpointReady` for the Service; for every other in `Ready` alone."),
    "advice": ("Advice", "In no condition: told by an Event when the specification changes, and by `kubectl imageclassifier doctor`."),
    "summary": ("The whole resource", "In the conditions that speak of the whole: {whole}."),
}
WAITING = {"kGood": "-", "kWaiting": "yes", "kFailing": "perhaps", "kStalled": "no"}
COMMAND = re.compile(r"kubectl [^;]*?(?=[.;](?: |$))")
FIELD = re.compile(r"\bspec(?:\.[a-zA-Z0-9]+)+")
EXAMPLE = {"server": "contoso.azurecr.io", "image": "contoso.azurecr.io/inference-server:1.0.1"}


def page(found, reference):
    reasons = {reason.name: reason for reason in found.reasons}
    out = ["# Troubleshooting", "",
           "<!-- Written by docs/generate from operator/diagnosis/reason_table.cpp (make docs). -->", "",
           *_reading(found, reasons), "## All reasons", "",
           "The list is closed: no condition has another; the Events also tell what was `Created`, `Updated` and `Deleted`, and what "
            "was `RolledOut`. "
            "`imageclassifier-operator explain REASON` prints what stands here.", ""]
    out += table(["reason", "shows under", "does waiting help?"],
                 [[f"[{reason.name}](#{anchor(reason.name)})", f"[{GROUPS[reason.place][0]}](#{anchor(GROUPS[reason.place][0])})",
                   WAITING[reason.outlook]] for reason in found.reasons])
    for place, (heading, where) in GROUPS.items():
        out += [f"## {heading}", "", where.format(whole=", ".join(f"`{name}`" for name in WHOLE if name in found.conditions)), ""]
        for reason in found.reasons:
            if reason.place == place:
                out += _section(reason, found.outlooks, reference)
    return "\n".join(out).rstrip("\n") + "\n"


def _reading(found, reasons):
    unknown = [name for name in found.conditions if name not in CONDITIONS]
    if unknown:
        raise Unexpected(f"the status has the condition {unknown[0]}; say in docs/generator/troubleshooting.py what it means")
    example = reasons["ManifestUnknown"]
    message = _filled(example.message, lambda placeholder: (placeholder[1] or "") + EXAMPLE[placeholder[2]])
    return [
        "## Reading the status", "",
        "```console", "$ kubectl get ic", "NAME   READY   REASON            REPLICAS   URL                  AGE",
        f"pets   False   {example.name}   0          http://10.98.1.10/   2m", "```", "",
        "`READY` and `REASON` are those of the condition `Ready`. Its message names the cause and ends with what to do:", "",
        "```console", "$ kubectl get ic pets -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].message}'",
        f"{message} {example.remedy}", "```", "",
        "`kubectl describe ic pets` shows all conditions, the last failure with pod, container and exit code (`status.lastFailure`, "
        "which stays after it was cured), and as Events how it came to that.", "",
        "```sh", "kubectl wait --for=condition=Ready ic/pets --timeout=5m     # ends when it answers",
        "kubectl wait --for=condition=Stalled ic/pets --timeout=5m   # ends when waiting is of no use", "```", "",
        "A status speaks of the `metadata.generation` that its `observedGeneration` names; with a smaller one the operator has not "
        "finished a pass over your latest change. [The status in the API reference](api-reference.md#status) lists every field.", "",
        *table(["condition", "what True means"],
               [[f"`{name}`", CONDITIONS[name]] for name in CONDITIONS if name in found.conditions]),
        "`False` means that it is not so, `Unknown` that the operator cannot tell yet.", ""]


def _section(reason, outlooks, reference):
    out = [f"### {reason.name}", "", _worded(reason.message, reason, reference), ""]
    if reason.remedy:
        out += ["**What to do:** " + _worded(reason.remedy, reason, reference), ""]
    help_of_waiting = "" if reason.outlook == "kGood" else "**Does waiting help?** "
    return out + [help_of_waiting + outlooks[reason.outlook], ""]


def _filled(text, value_of):
    filled = re.sub(r"(\b\w+ )?\{(\w+)\}", value_of, text)
    if "{" in filled or "}" in filled:
        raise Unexpected(f"a brace without a placeholder: {text}")
    return filled


def _worded(text, reason, reference):
    """The text with words for its placeholders, commands as code and fields of the spec as links."""
    parts, at = [], 0
    for command in COMMAND.finditer(text):
        parts += [_prose(text[at:command.start()], reason, reference),
                  "`" + _filled(command[0], lambda placeholder: (placeholder[1] or "") + placeholder[2].upper()) + "`"]
        at = command.end()
    return "".join(parts) + _prose(text[at:], reason, reference)


def _prose(text, reason, reference):
    def words(placeholder):
        before, name = placeholder[1] or "", placeholder[2]
        if name not in PLACEHOLDERS:
            raise Unexpected(f"{reason.name} has the placeholder {name}; say in docs/generator/troubleshooting.py what it "
                             "stands for")
        return f"{before}‹{BEHIND_A_NOUN.get(before.strip(), {}).get(name, PLACEHOLDERS[name])}›"

    def linked(field):
        address = reference.link(field[0])
        if address is None:
            raise Unexpected(f"{reason.name} names the field {field[0]}, which the definition does not have")
        return f"[`{field[0]}`]({address})"

    text = re.sub(r"(?<=\w)\{detail\}", " (‹cause, where it is known›)", plain(text))
    return re.sub("‹(.*?)›", r"*\1*", FIELD.sub(linked, _filled(text, words)))
