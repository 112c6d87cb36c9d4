#include <algorithm>
#include <array>

#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::diagnosis {
namespace {

constexpr Outlook kGood = Outlook::kGood;
constexpr Outlook kWaiting = Outlook::kWaiting;
constexpr Outlook kFailing = Outlook::kFailing;
constexpr Outlook kStalled = Outlook::kStalled;

// Sorted by name. Messages never hold generated names, times or counters: the same fault must give the same text.
constexpr std::array kReasons = {
    Reason{"Answering", kGood, 0, "{url} answered HTTP 200 to the operator.", ""},
    Reason{"AnsweringInside", kGood, 0,
           "{url} cannot be reached from the operator ({detail}), but in the cluster network its Service answered HTTP "
           "200; whether callers outside the cluster get through is not known.",
           "Ask {url}readyz from where the callers are; if it does not answer there, look at spec.service.sourceRanges "
           "and the load balancer."},
    Reason{"AutoscalerActive", kGood, 0, "The autoscaler follows the pods' use of CPU.", ""},
    Reason{"AutoscalerAtMaximum", kGood, 0, "The autoscaler wants more pods than spec.autoscaling.maxReplicas allows.",
           "Raise spec.autoscaling.maxReplicas if the pods are too busy."},
    Reason{
        "AutoscalerFailing", kFailing, 20, "HorizontalPodAutoscaler {name} cannot scale: {detail}.",
        "Follow the message: kubectl describe hpa {name}; it is tried again every 15 seconds, and the number of pods "
        "stays as it is until then."},
    Reason{"AutoscalerWaiting", kWaiting, 1, "The autoscaler has no figures of pods that are ready yet.", ""},
    Reason{"Available", kGood, 0, "The wanted pods run and pass readiness.", ""},
    Reason{"CloudProviderError", kFailing, 40, "The load balancer of Service {service} could not be made: {detail}.",
           "Follow the cloud's message; the cloud controller tries again by itself."},
    Reason{"ConfigMapMalformed", kFailing, 80, "ConfigMap {object} has no key {key}, which {field} names.",
           "Add the key to the ConfigMap or correct the field; it is looked at again within 30 seconds."},
    Reason{"ConfigMapNotFound", kFailing, 80,
           "ConfigMap {object}, which {field} names, does not exist in namespace {namespace}.",
           "Create it or correct the field; it is looked at again within 30 seconds."},
    Reason{"ConfigurationInvalid", kStalled, 60, "The server refuses its configuration: {detail}.",
           "Correct the field that the message names in the ImageClassifier."},
    Reason{"ContainerConfigInvalid", kFailing, 50, "The container cannot be made: {detail}.",
           "Create the object or key that the message names, or remove the reference to it."},
    Reason{"ContainerStartFailed", kFailing, 50, "The container of image {image} does not start: {detail}.",
           "Check that the image is the inference server and fits the node."},
    Reason{"CrashLoop", kFailing, 40, "The container {container} ends again and again {detail}.",
           "Read the log: kubectl logs deployment/{name} -c {container} --previous."},
    Reason{"CredentialMissing", kFailing, 60,
           "The registry {server} asks for a credential and the node has none for image {image}.",
           "Set spec.registry.auth, or give the node's identity the role AcrPull on the registry."},
    Reason{"CredentialNotReady", kFailing, 10, "No pod is started before its pull credential exists.",
           "See the condition CredentialReady."},
    Reason{"CredentialRefused", kStalled, 70,
           "The registry {server} refuses the credential from {source} for image {image}.",
           "Correct the user name and password there; the node tries again within five minutes."},
    Reason{"DNSLabelConflict", kStalled, 60,
           "The DNS label of Service {service} is taken by another public IP address of the region.",
           "Choose another label in spec.service.dnsLabel."},
    Reason{"DigestMismatch", kFailing, 60,
           "The content of image {image} does not have the digest that the registry announced.",
           "Push the image again, or check the proxy between node and registry."},
    Reason{"EndpointNotAsked", kFailing, 30,
           "The operator does not ask {url}: it connects to no loopback, link-local or multicast address.",
           "Have the load balancer give the Service an address of another kind."},
    Reason{"EndpointPublic", kFailing, 70,
           "The load balancer gave Service {service} an address of the internet, {url}, though spec.service.scope is "
           "Internal.",
           "Ask for an internal address in spec.service.annotations as the load balancer wants it, set "
           "spec.service.type to ClusterIP, or set spec.service.scope to Public if the address is wanted."},
    Reason{"EndpointUnhealthy", kFailing, 30,
           "{url} did not answer HTTP 200 on /readyz three times in a row: {detail}.",
           "Check that the operator can reach the address and that the load balancer's health probe asks for /readyz."},
    Reason{
        "FieldContested", kFailing, 75,
        "Somebody else undoes again and again what the operator does to {kind} {object} ({detail}); it is put right "
        "less often now.",
        "Find who it is with kubectl get {kind} {object} --show-managed-fields -o yaml, and let it leave the field to "
        "the ImageClassifier."},
    Reason{"ImagePullFailed", kFailing, 40, "The image {image} cannot be pulled{detail}.",
           "Read the pod's events: kubectl describe pods -l app.kubernetes.io/instance={name}."},
    Reason{"InsufficientScope", kFailing, 65,
           "The registry {server} knows the credential but does not allow it to pull {image}, or the repository does "
           "not exist.",
           "Give the identity pull rights on the repository (role AcrPull, or content/read in a scope map) and check "
           "the name."},
    Reason{"InvalidReference", kStalled, 90, "spec.image: {detail}",
           "Write it as server/repository:tag or server/repository@sha256:digest."},
    Reason{"LoadBalancerAddressesExhausted", kFailing, 60,
           "The load balancer has no address left for Service {service}.",
           "Free an address or add addresses to the load balancer's pool; the Service gets one by itself then."},
    Reason{"LoadBalancerFailed", kFailing, 35, "The load balancer controller reports for Service {service}: {detail}.",
           "Follow the message; the controller tries again by itself."},
    Reason{"LoadBalancerForbidden", kFailing, 60,
           "The cluster's identity may not use a network resource that Service {service} needs: {detail}.",
           "Give the cluster identity the role Network Contributor on the subnet or on the public IP address's "
           "resource group; it may take 20 minutes to be seen."},
    Reason{"LoadBalancerPending", kWaiting, 5, "Service {service} waits for an address of the load balancer.", ""},
    Reason{"ManifestUnknown", kStalled, 65, "The registry {server} does not hold the image {image}.",
           "Push the image, or correct the repository, tag or digest in spec.image."},
    Reason{"MetricsMissing", kFailing, 30,
           "HorizontalPodAutoscaler {name} cannot scale: the cluster has no metrics API (metrics.k8s.io).",
           "Install metrics-server; the number of pods stays as it is until then."},
    Reason{
        "MetricsUnavailable", kFailing, 30,
        "HorizontalPodAutoscaler {name} cannot scale: the metrics API does not answer: {detail}.",
        "Look at metrics-server: kubectl describe apiservice v1beta1.metrics.k8s.io; the number of pods stays as it is "
        "until then."},
    Reason{"Minted", kGood, 0, "Secret {secret} holds the credential of Secret {source} for {server}.", ""},
    Reason{"ModelDigestMismatch", kStalled, 70, "The model file does not have the wanted digest: {detail}.",
           "Correct spec.model.sha256, or have spec.model.source name the right file."},
    Reason{"ModelInvalid", kStalled, 70, "The model file cannot be used: {detail}.",
           "Use a model file of the stated architecture; check spec.model.source."},
    Reason{"ModelLoading", kWaiting, 5,
           "A pod fetches or loads its model for longer than spec.rollout.progressDeadlineSeconds; it is not given up "
           "while that goes on.",
           "See how far it is: kubectl logs deployment/{name} --all-containers."},
    Reason{
        "ModelUnavailable", kFailing, 60, "The model file cannot be downloaded: {detail}.",
        "Check spec.model.source.url, and that pods reach it: DNS, proxy, firewall, its certificate's authority. It is "
        "tried again by itself."},
    Reason{"NameConflict", kStalled, 80,
           "{kind} {object} exists and does not belong to this ImageClassifier; it is left alone.",
           "Delete or rename that object, or give the ImageClassifier another name."},
    Reason{"NoLoadBalancerProvider", kFailing, 50,
           "Nothing in the cluster took care of Service {service} within two minutes.",
           "Install a load balancer controller, set spec.service.loadBalancerClass to one that exists, or set "
           "spec.service.type "
           "to ClusterIP."},
    Reason{"NoReadyPods", kWaiting, 1, "No pod is ready to answer.", "See the condition WorkloadAvailable."},
    Reason{"NodeDiskFull", kFailing, 60, "A node has no disk space left for image {image}.",
           "Free disk space on the nodes, or use larger ones."},
    Reason{"NodeIdentity", kGood, 0, "The node's own identity pulls the image.", ""},
    Reason{"NotRolledBack", kGood, 0, "The wanted revision runs, or is being rolled out.", ""},
    Reason{"OOMKilled", kFailing, 60, "The server was killed because it used more memory than {limit}.",
           "Raise spec.resources.limits.memory."},
    Reason{"ObjectRefused", kFailing, 50, "The API server refused {kind} {object}: {detail}.",
           "Follow the message; the operator tries again by itself."},
    Reason{"PlatformMismatch", kStalled, 70, "The image {image} is not built for the nodes' platform.",
           "Build the image for the architecture of the nodes, or choose other nodes with spec.pod.nodeSelector."},
    Reason{"PodAddressesExhausted", kFailing, 60, "The network of the nodes has no address left for a pod: {detail}.",
           "Enlarge the subnet of the pods or free addresses in it; the node tries again by itself."},
    Reason{"PodCreationForbidden", kFailing, 60, "Pods of Deployment {name} may not be made: {detail}.",
           "Raise the quota, or change the policy or the field that the message names."},
    Reason{"PodEvicted", kFailing, 45, "A node evicted the pod: {detail}.",
           "Raise the requests in spec.resources so that the pod gets a node with room."},
    Reason{"PodSandboxFailed", kFailing, 45, "The node cannot make the pod's sandbox: {detail}.",
           "Follow the message: it is about the node's network or runtime (spec.pod.runtimeClassName); the node tries "
           "again by itself."},
    Reason{"PodTemplateInvalid", kStalled, 80, "The API server refused Deployment {object}: {detail}.",
           "Correct the field that the message names in the ImageClassifier."},
    Reason{"PodsEnding", kWaiting, 1, "The pods finish the requests that they have, and end.", ""},
    Reason{"PodsStarting", kWaiting, 1,
           "The pods are being started; a server is ready when its model is loaded and warm.", ""},
    Reason{"PodsWanted", kGood, 0, "Pods are wanted.", ""},
    Reason{"ProbeConfigInvalid", kStalled, 60,
           "The health probe annotations of Service {service} are refused: {detail}.",
           "Correct the probe annotations in spec.service.annotations."},
    Reason{"ProbeFailing", kFailing, 30,
           "The server was restarted because it did not become ready or stopped answering.",
           "Read the log: kubectl logs deployment/{name} --previous; a slow node may need more CPU."},
    Reason{"Probing", kWaiting, 2, "The operator is asking {url} for the first time.", ""},
    Reason{"ProgressDeadlineExceeded", kFailing, 5,
           "Deployment {name} made no progress for as long as spec.rollout.progressDeadlineSeconds allows.",
           "Look at its pods: kubectl describe pods -l app.kubernetes.io/instance={name}."},
    Reason{"PublicIPInvalid", kStalled, 60,
           "The public IP address wanted for Service {service} has the wrong SKU or region.",
           "Name a Standard SKU address of the cluster's region in spec.service.publicIPName."},
    Reason{"PublicIPNotFound", kStalled, 60,
           "The IP address wanted for Service {service} does not exist in its resource group.",
           "Create the address, correct spec.service.publicIPName, or name the right resource group in "
           "spec.service.annotations."},
    Reason{"QuotaExceeded", kFailing, 60,
           "The cloud subscription's quota does not allow another address for Service {service}.",
           "Raise the quota or delete addresses that are no longer used."},
    Reason{"ReadForbidden", kFailing, 80, "The operator may not read {kind} {object}, which {field} names: {detail}.",
           "Give the operator's ClusterRole the verb that the message names; it is tried again within 30 seconds."},
    Reason{"Ready", kGood, 0, "The classifier answers at {url}.", ""},
    Reason{"Reconciling", kWaiting, 0, "The operator is at work.", ""},
    Reason{"RegistryForbidden", kFailing, 60,
           "The registry {server} or a firewall in front of it forbids the node to pull {image} (HTTP 403).",
           "Allow the nodes' network in the registry's firewall, or check the private endpoint's DNS."},
    Reason{"RegistryUnreachable", kFailing, 55,
           "A node cannot reach the registry {server} for image {image}: {detail}.",
           "Check DNS, routes, private endpoints and firewalls between the nodes and the registry."},
    Reason{"RightMissing", kFailing, 50, "The operator lacks a right to bring {kind} {object} into shape: {detail}.",
           "Give its ClusterRole the verb that the message names; the operator tries again by itself."},
    Reason{
        "RolledBack", kStalled, 60,
        "Revision {revision} failed, and the last good one, {good}, runs in its place: {detail}",
        "{remedy} What is changed is rolled out at once; to try the same again, delete ControllerRevision {revision}."},
    Reason{"RolloutBlocked", kFailing, 50, "No node can take a new pod, and the ones before keep serving: {detail}.",
           "Make room for one more pod, or set spec.rollout.strategy to Recreate, which ends the old pods first."},
    Reason{"RolloutInProgress", kWaiting, 3, "New pods are being started; the ones before keep serving.", ""},
    Reason{"ScaledToZero", kGood, 0, "spec.replicas is 0: no pod runs, the Service and its address stay.", ""},
    Reason{"SecretForbidden", kFailing, 80, "The operator may not read Secret {secret}: {detail}.",
           "Give the operator's ClusterRole the verb that the message names; it is tried again within 30 seconds."},
    Reason{"SecretMalformed", kFailing, 80, "Secret {secret} cannot be used for {field}: {detail}.",
           "Correct the Secret; it is looked at again within 30 seconds."},
    Reason{"SecretNotFound", kFailing, 80, "Secret {secret} does not exist in namespace {namespace}.",
           "Create it; it is looked at again within 30 seconds."},
    Reason{"SelfTestFailed", kStalled, 60, "The server's self-test failed: {detail}.",
           "Use a model and image that belong together."},
    Reason{"SelfTestPassed", kGood, 0, "The reference picture was taken for {label}.", ""},
    Reason{"SelfTestPending", kWaiting, 1, "The reference picture is classified when a pod of this revision starts.",
           ""},
    Reason{"ServerMismatch", kFailing, 80,
           "Secret {secret} holds no credential for {server}, from which {image} is pulled.",
           "Add an entry for {server} to the Secret; it is looked at again within 30 seconds."},
    Reason{"ServiceInvalid", kStalled, 80, "The API server refused Service {object}: {detail}.",
           "Correct the field of spec.service that the message names."},
    Reason{
        "ServiceMonitorKindMissing", kFailing, 20,
        "ServiceMonitor {object} cannot be made: the cluster has no kind ServiceMonitor (monitoring.coreos.com/v1).",
        "Install the Prometheus operator's CustomResourceDefinitions, or set spec.monitoring.serviceMonitor to Auto; "
        "it is made within seconds after they are there."},
    Reason{"ServicePending", kWaiting, 5, "Service {service} is being made.", ""},
    Reason{"Stable", kGood, 0, "Nothing is left to do.", ""},
    Reason{"SubnetFull", kFailing, 60,
           "The subnet of the internal load balancer has no address left for Service {service}.",
           "Free addresses in the subnet or name another one in spec.service.annotations."},
    Reason{"SubnetInvalid", kStalled, 60, "The subnet named for Service {service} does not exist: {detail}.",
           "Correct the subnet annotation in spec.service.annotations."},
    Reason{"Suspended", kGood, 0, "No pod runs, because {why}; the Service and its address stay.", ""},
    Reason{"TLSUntrusted", kFailing, 65, "A node does not trust the certificate of the registry {server}: {detail}.",
           "Install the registry's CA certificate on the nodes, or give the registry a valid certificate."},
    Reason{"Throttled", kFailing, 60, "The registry {server} answers that too many requests were made (HTTP 429).",
           "Wait, or use a larger registry tier; the node tries again by itself."},
    Reason{"TimeZoneInvalid", kStalled, 80, "spec.schedule cannot be followed: {detail}. The pods stay as they are.",
           "Set spec.schedule.timeZone to a name of the IANA time zone database, for example Europe/Berlin."},
    Reason{"Unschedulable", kFailing, 50, "No node can take the pod: {detail}.",
           "Add or free a node, lower spec.resources.requests, or correct spec.pod.nodeSelector and tolerations."},
    Reason{"UserProvided", kGood, 0, "Secret {secret} holds a credential for {server}.", ""},
    Reason{"VolumeClaimNotFound", kFailing, 80,
           "PersistentVolumeClaim {object}, which {field} names, does not exist in namespace {namespace}.",
           "Create it or correct the field; it is looked at again within 30 seconds."},
    Reason{"VolumeInUse", kFailing, 60, "The model's volume is attached to another node: {detail}.",
           "Use a PersistentVolumeClaim that many nodes may mount (ReadOnlyMany), or set spec.rollout.strategy to "
           "Recreate."},
    Reason{
        "VolumeMountFailed", kFailing, 50, "A volume of the pod cannot be mounted: {detail}.",
        "Create or repair what the message names, or correct the field of the ImageClassifier that names it; the node "
        "tries again by itself."},
};

static_assert(std::is_sorted(kReasons.begin(), kReasons.end(),
                             [](const Reason& a, const Reason& b) { return a.name < b.name; }));

}  // namespace

std::span<const Reason> all_reasons() {
  return kReasons;
}

const Reason* find_reason(std::string_view name) {
  const auto found =
      std::lower_bound(kReasons.begin(), kReasons.end(), name,
                       [](const Reason& reason, std::string_view wanted) { return reason.name < wanted; });
  return found != kReasons.end() && found->name == name ? &*found : nullptr;
}

}  // namespace imageclassifier::diagnosis
