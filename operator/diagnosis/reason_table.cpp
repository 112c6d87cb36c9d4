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
    Reason{"AnnotationOverruled", kStalled, 0,
           "spec.service.annotations does not decide on {key}, which the operator sets itself.",
           "Leave it out of spec.service.annotations; the other fields of spec.service decide on it."},
    Reason{"Answering", kGood, 0, "{url} answered HTTP 200 to the operator.", ""},
    Reason{"AnsweringInside", kGood, 0,
           "{url} cannot be reached from the operator ({detail}), but in the cluster network its Service answered HTTP "
           "200; whether callers outside the cluster get through is not known.",
           "Ask {url}readyz from where the callers are; if it does not answer there, look at spec.service.sourceRanges "
           "and the load balancer."},
    Reason{"AssertionExpired", kFailing, 70,
           "Entra finds the token of ServiceAccount {account} outside its time ({detail}).",
           "Check the clocks of the API server and of the operator's node; it is tried again by itself."},
    Reason{"AudienceUnknown", kFailing, 70,
           "Entra does not know what the token is to be for in this tenant ({detail}).",
           "Check the tenant ID; let the chart's value registry.clouds.{cloud} name another audience or, as "
           "fallbackAudience, that of Azure Resource Manager."},
    Reason{"AutoscalerActive", kGood, 0, "The autoscaler follows the pods' use of CPU.", ""},
    Reason{"AutoscalerAtMaximum", kGood, 0, "The autoscaler wants more pods than spec.autoscaling.maxReplicas allows.",
           "Raise spec.autoscaling.maxReplicas if the pods are too busy."},
    Reason{
        "AutoscalerFailing", kFailing, 20, "HorizontalPodAutoscaler {name} cannot scale: {detail}.",
        "Follow the message: kubectl describe hpa {name}; it is tried again every 15 seconds, and the number of pods "
        "stays as it is until then."},
    Reason{"AutoscalerWaiting", kWaiting, 1, "The autoscaler has no figures of pods that are ready yet.", ""},
    Reason{"Available", kGood, 0, "The wanted pods run and pass readiness.", ""},
    Reason{
        "CertificateOutOfTime", kFailing, 65, "The operator cannot trust the certificate of {server}: {detail}.",
        "Set the clock of the operator's node, for example by NTP; if that is right, have the certificate renewed. It "
        "is tried again by itself."},
    Reason{"CheckingImage", kWaiting, 4, "The operator is asking the registry {server} for the image.", ""},
    Reason{"ClientSecretExpired", kStalled, 75, "The secret of {identity} in Secret {secret} has expired ({detail}).",
           "Make a new one (az ad app credential reset) and put it into the Secret; it is taken within 30 seconds."},
    Reason{"ClientSecretInvalid", kStalled, 75, "Entra refuses the secret of {identity} in Secret {secret} ({detail}).",
           "Put the secret's value, not its ID, into the Secret; it is taken within 30 seconds."},
    Reason{
        "ClockSkew", kFailing, 70,
        "The clock of {detail} and that of the operator differ by more than five minutes, so that tokens seem to be of "
        "another time.",
        "Set the clock of the operator's node, for example by NTP; it is tried again by itself."},
    Reason{"CloudProviderError", kFailing, 40, "The load balancer of Service {service} could not be made: {detail}.",
           "Follow the cloud's message; the cloud controller tries again by itself."},
    Reason{"CloudUnknown", kStalled, 80,
           "spec.registry.cloud names {cloud}, which the operator's configuration does not have.",
           "Use Public, USGovernment or China, or add the cloud to the chart's value registry.clouds."},
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
    Reason{"ContainerWaiting", kFailing, 20, "The container {container} waits: {detail}.",
           "Follow the message: kubectl describe pods -l app.kubernetes.io/instance={name}; the node tries again by "
           "itself."},
    Reason{"CrashLoop", kFailing, 40, "The container {container} ends again and again {detail}.",
           "Read the log: kubectl logs deployment/{name} -c {container} --previous."},
    Reason{"CredentialMissing", kFailing, 60,
           "The registry {server} asks for a credential and the node has none for image {image}.",
           "Set spec.registry.auth, or give the node's identity the role AcrPull on the registry."},
    Reason{"CredentialNotAttached", kFailing, 60,
           "The node has shown the registry {server} no credential for image {image}, though {source} holds one: the "
           "pod's pull Secret is not attached, or was made after the pod tried.",
           "See which Secrets the pod names, in imagePullSecrets: kubectl get pods -l "
           "app.kubernetes.io/instance={name} -o yaml. If the pull Secret is among them, the node's next try may "
           "succeed, within five minutes; if not, look for a webhook for pods that takes it out."},
    Reason{"CredentialNotReady", kFailing, 10, "No pod is started before its pull credential exists.",
           "See the condition CredentialReady."},
    Reason{"CredentialPending", kWaiting, 1,
           "No pod is started before its pull credential exists, and that is being made.", ""},
    Reason{"CredentialRefused", kStalled, 70,
           "The registry {server} refuses the credential from {source} for image {image}.",
           "Correct the user name and password there; the node tries again within five minutes."},
    Reason{"DNSLabelConflict", kStalled, 60,
           "The DNS label of Service {service} is taken by another public IP address of the region.",
           "Choose another label in spec.service.dnsLabel."},
    Reason{"DeploymentPaused", kStalled, 75,
           "Somebody has paused Deployment {name} (paused in its specification), so that no change reaches the pods.",
           "Resume it: kubectl rollout resume deployment/{name}; who paused it is in kubectl get deployment {name} "
           "--show-managed-fields -o yaml."},
    Reason{"DigestGiven", kGood, 0, "The registry {server} holds {image}, for {platforms}.", ""},
    Reason{"DigestMismatch", kFailing, 60,
           "The content of image {image} does not have the digest that the registry announced.",
           "Push the image again, or check the proxy between node and registry."},
    Reason{
        "EndpointNotAsked", kFailing, 30,
        "The operator does not ask {url}: it connects to no loopback, link-local, multicast or metadata address, nor "
        "to a name that stands for one.",
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
        "EvictionForbidden", kStalled, 0,
        "spec.availability lets no pod of ImageClassifier {name} be evicted, so that draining a node that has one, as "
        "upgrades do, does not end.",
        "Raise spec.replicas, lower spec.availability.minAvailable, or set spec.availability.maxUnavailable to 1."},
    Reason{
        "ExchangeDenied", kFailing, 70, "The registry {server} gives {identity} nothing ({detail}).",
        "Give it the role AcrPull on the registry, or Container Registry Repository Reader where permissions are per "
        "repository; if the role is there, let registries take tokens of Azure Resource Manager, or the other way "
        "round (az acr config authentication-as-arm). A new role takes minutes to count."},
    Reason{"Expired", kFailing, 75, "The credential in Secret {secret} has ended, and there is no new one: {cause}",
           "{remedy}"},
    Reason{"FederationNotFound", kFailing, 70,
           "Entra does not trust ServiceAccount {account} of namespace {namespace} for {identity} ({detail}).",
           "Give the application a federated credential with the cluster's issuer, the subject "
           "system:serviceaccount:{namespace}:{account} and the audience api://AzureADTokenExchange, in just these "
           "letters; "
           "a new one takes minutes to count."},
    Reason{
        "FieldContested", kFailing, 75,
        "Somebody else undoes again and again what the operator does to {kind} {object} ({detail}); it is put right "
        "less often now.",
        "Find who it is with kubectl get {kind} {object} --show-managed-fields -o yaml, and let it leave the field to "
        "the ImageClassifier."},
    Reason{
        "IMDSBusy", kFailing, 65, "The metadata service of the operator's node gives no token for now ({detail}).",
        "Wait: it is tried again by itself. It answers so when it is asked too often (429), or is being updated (404, "
        "410, 5xx)."},
    Reason{"IMDSUnavailable", kFailing, 65, "The metadata service of the operator's node cannot be reached: {detail}.",
           "Let the operator run on a machine of Azure's and reach 169.254.169.254; it is tried again by itself."},
    Reason{"IdentityAmbiguous", kStalled, 80,
           "The operator's configuration lists several managed identities for namespace {namespace}.",
           "Name one of them in spec.registry.auth.managedIdentity, by clientID or resourceID as it is listed."},
    Reason{
        "IdentityIncomplete", kFailing, 80,
        "Neither spec.registry.auth.workloadIdentity.{field} nor ServiceAccount {account} says which identity is "
        "meant.",
        "Set the field, or the account's annotation azure.workload.identity/{annotation}; it is looked at again within "
        "30 seconds."},
    Reason{
        "IdentityNotAssigned", kFailing, 70,
        "The metadata service of the operator's node gives no token of {identity} ({detail}).",
        "Assign the identity to the node pool that the operator runs on (az vmss identity assign), and check its ID in "
        "the chart's value registry.identities; it is tried again by itself."},
    Reason{"IdentityNotFound", kFailing, 70, "Entra does not know {identity}, or not in this tenant ({detail}).",
           "Check clientID and tenantID. A new application takes minutes to be known."},
    Reason{"IdentityNotListed", kStalled, 80,
           "The operator's configuration does not let resources of namespace {namespace} use {identity}.",
           "Have it added to the chart's value registry.identities, or use another member of spec.registry.auth."},
    Reason{"IdentityProviderUnavailable", kFailing, 60, "Entra gives no token: {detail}.",
           "Let the operator reach the authority of spec.registry.cloud; it is tried again by itself."},
    Reason{"IdentityRefused", kFailing, 70, "Entra refuses {identity} ({detail}).",
           "Look the AADSTS number up at https://login.microsoftonline.com/error; an answer without one is mostly that "
           "of a proxy, or of another server than Entra. It is tried again within ten minutes."},
    Reason{"ImageNotAsked", kGood, 0,
           "The image {image} is looked up when there is a credential for the registry {server}.",
           "See the condition CredentialReady."},
    Reason{"ImageNotPresent", kFailing, 60,
           "The image {image} is not on the node, and the pod's pull policy, Never, forbids to pull it.",
           "Load the image on every node, or find who sets imagePullPolicy, a webhook for pods or a manager in kubectl "
           "get deployment {name} --show-managed-fields -o yaml."},
    Reason{"ImagePullFailed", kFailing, 40, "The image {image} cannot be pulled{detail}.",
           "Read the pod's events: kubectl describe pods -l app.kubernetes.io/instance={name}."},
    Reason{
        "ImageUnreadable", kFailing, 50, "The container runtime of a node cannot read the image {image}.",
        "Look at the node's disk, and read what it says: kubectl describe pods -l app.kubernetes.io/instance={name}; "
        "the node tries again by itself."},
    Reason{"ImageUserRefused", kStalled, 60, "The node refuses the user of image {image}: {detail}.",
           "Build the image with a numeric user other than 0, as the shipped one has: USER 65532 in its Dockerfile."},
    Reason{"Inconclusive", kGood, 0,
           "The registry {server} cannot tell the operator about {image}: {detail}. The nodes pull it all the same.",
           "To have it looked up and pinned, {advice}"},
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
    Reason{"MintPending", kWaiting, 3, "A credential for {server} is being minted for {source}.", ""},
    Reason{"Minted", kGood, 0, "Secret {secret} holds the credential of {source} for {server}.", ""},
    Reason{
        "MintedCredentialRefused", kFailing, 70,
        "The registry {server} refuses for image {image} the credential that the operator has minted for {source}.",
        "Check that its identity still has the role AcrPull, or Container Registry Repository Reader where permissions "
        "are per repository; what is given anew counts with the next credential, which is minted before this one "
        "ends."},
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
    Reason{"NodeClockSkew", kFailing, 65,
           "A node finds that the certificate of the registry {server} has expired or is not yet valid; the operator, "
           "whose clock is another one, finds it in order.",
           "Set the clock of the node, for example by NTP; kubectl get pods -o wide tells which node it is, and it "
           "tries again by itself."},
    Reason{"NodeDiskFull", kFailing, 60, "A node has no disk space left for image {image}.",
           "Free disk space on the nodes, or use larger ones."},
    Reason{"NodeIdentity", kGood, 0, "The node's own identity pulls the image.", ""},
    Reason{
        "NodeLost", kFailing, 45, "The node of the pod no longer answers.",
        "Repair the node or delete it: kubectl get nodes. After five minutes a pod on another node is made by itself."},
    Reason{"NodeShutdown", kFailing, 45, "A node that shuts down ended or refused the pod.",
           "See that another node has room; another pod is made by itself."},
    Reason{"NotAnImage", kStalled, 65, "What the registry {server} holds as {image} is no container image.",
           "Push the image, or correct the repository, tag or digest in spec.image."},
    Reason{"NotRolledBack", kGood, 0, "The wanted revision runs, or is being rolled out.", ""},
    Reason{"OOMKilled", kFailing, 60, "The container {container} was killed because it used more memory than {limit}.",
           "Raise spec.resources.limits.memory."},
    Reason{"ObjectInvalid", kStalled, 50, "The API server does not accept {kind} {object}: {detail}.",
           "Correct the field of the ImageClassifier that the message is about."},
    Reason{"ObjectRefused", kFailing, 50, "The API server refused {kind} {object}: {detail}.",
           "Follow the message; the operator tries again by itself."},
    Reason{
        "PinnedDigestMissing", kFailing, 65,
        "The registry {server} no longer holds what {image} stood for when it was rolled out: the pods that run stay, "
        "but no node can pull it again.",
        "Push the image under a new tag and name that in spec.image, and exempt what is in use from the registry's "
        "clean-up."},
    Reason{"PlatformMismatch", kStalled, 70, "The image {image} is not built for the nodes' platform.",
           "Build the image for the architecture of the nodes, or choose other nodes with spec.pod.nodeSelector."},
    Reason{"PodAddressesExhausted", kFailing, 60, "The network of the nodes has no address left for a pod: {detail}.",
           "Enlarge the subnet of the pods or free addresses in it; the node tries again by itself."},
    Reason{"PodCreationForbidden", kFailing, 60, "Pods of Deployment {name} may not be made: {detail}.",
           "Raise the quota, or change the policy or the field that the message names."},
    Reason{"PodEvicted", kFailing, 45, "A node evicted the pod: {detail}.",
           "Raise the requests in spec.resources so that the pod gets a node with room."},
    Reason{"PodPreempted", kFailing, 45, "A node gave the room of the pod to a more important one: {detail}.",
           "Give the pods a higher priority with spec.pod.priorityClassName, or add a node; another pod is made by "
           "itself."},
    Reason{"PodRejected", kFailing, 45, "A node refuses the pod that the scheduler has given it: {detail}.",
           "Make room for what the message names, or correct spec.resources, spec.pod.nodeSelector or "
           "spec.pod.affinity; another pod is made by itself."},
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
    Reason{"PullSecretMissing", kFailing, 75,
           "Secret {secret}, which spec.pod.imagePullSecrets names, does not exist in namespace {namespace}, and the "
           "registry {server} does not give the image {image} without the right credential.",
           "Create it or correct the field; the node tries again within five minutes."},
    Reason{"QuotaExceeded", kFailing, 60,
           "The cloud subscription's quota does not allow another address for Service {service}.",
           "Raise the quota or delete addresses that are no longer used."},
    Reason{"ReadForbidden", kFailing, 80, "The operator may not read {kind} {object}, which {field} names: {detail}.",
           "Give the operator's ClusterRole the verb that the message names; it is tried again within 30 seconds."},
    Reason{"ReadinessFailing", kFailing, 30,
           "The server runs, but no longer passes its readiness probe, so that no request reaches it.",
           "Read the log: kubectl logs deployment/{name}; the probe is repeated every 5 seconds."},
    Reason{"ReadinessGateNotMet", kWaiting, 3, "The server is ready, but a readiness gate of its pod is not: {detail}.",
           "If that lasts, look at the controller after which the gate is named: kubectl describe pods -l "
           "app.kubernetes.io/instance={name}."},
    Reason{"Ready", kGood, 0, "The classifier answers at {url}.", ""},
    Reason{"Reconciling", kWaiting, 0, "The operator is at work.", ""},
    Reason{
        "RegistryAddressRefused", kFailing, 65,
        "The name {server} stands for a loopback, link-local or metadata address, to which the operator does not "
        "connect.",
        "Correct the DNS entry of {server}, for example in the private DNS zone of its private endpoint; it is tried "
        "again by itself."},
    Reason{"RegistryAnswerInvalid", kFailing, 65,
           "The registry {server} does not answer as an Azure Container Registry does: {detail}.",
           "Use basic or existingSecret in spec.registry.auth if it is another kind of registry."},
    Reason{"RegistryForbidden", kFailing, 60,
           "The registry {server} or a firewall in front of it turns {who} away (HTTP 403).",
           "Allow the cluster's network in the registry's firewall, or check the private endpoint's DNS; it is tried "
           "again "
           "by itself."},
    Reason{"RegistryNotAllowed", kStalled, 70,
           "The operator sends no token of cloud {cloud} to {detail}, which its configuration does not list for that.",
           "Correct spec.image or spec.registry.cloud, have it listed in the chart's values registry.servers and "
           "registry.clouds.{cloud}.servers, or use basic or existingSecret in spec.registry.auth."},
    Reason{"RegistryUnreachable", kFailing, 55, "The registry {server} cannot be reached by {who}: {detail}.",
           "Check DNS (the zone of a private endpoint must be linked to the cluster's network), routes and firewalls "
           "between it and the registry; it is tried again by itself."},
    Reason{"Resolved", kGood, 0, "The registry {server} holds {image}, for {platforms}.", ""},
    Reason{
        "ResolvedNotRun", kGood, 0,
        "The registry {server} holds {image}, which is {digest}; that failed when it was rolled out, and the pods run "
        "{running}.",
        "Mend what the condition RolledBack names; a tag that spec.registry.tagRefresh follows needs another push "
        "and nothing else."},
    Reason{"RightMissing", kFailing, 50, "The operator lacks a right to bring {kind} {object} into shape: {detail}.",
           "Give its ClusterRole the verb that the message names; the operator tries again by itself."},
    Reason{
        "RolledBack", kStalled, 60,
        "Revision {revision} ({image}) failed, and the last good one, {good}, runs in its place: {detail}",
        "{remedy} What is changed, or pushed under a tag that spec.registry.tagRefresh follows, is rolled out at once; "
        "to try the same again, delete ControllerRevision {revision}."},
    Reason{"RolloutBlocked", kFailing, 50, "No node can take a new pod, and the ones before keep serving: {detail}.",
           "Make room for one more pod, or set spec.rollout.strategy to Recreate, which ends the old pods first."},
    Reason{"RolloutInProgress", kWaiting, 3, "New pods are being started; the ones before keep serving.", ""},
    Reason{
        "RotationCritical", kFailing, 0,
        "Less than a fifth is left of the time in which the credential in Secret {secret} could be exchanged: it works "
        "until status.pullSecret.expiresAt, and the next one still fails: {cause}",
        "{remedy}"},
    Reason{"RotationFailing", kFailing, 0,
           "The credential in Secret {secret} works until status.pullSecret.expiresAt, but the next one fails: {cause}",
           "{remedy}"},
    Reason{"RotationUrgent", kFailing, 0,
           "Less than half is left of the time in which the credential in Secret {secret} could be exchanged: it works "
           "until status.pullSecret.expiresAt, and the next one still fails: {cause}",
           "{remedy}"},
    Reason{"ScaledToZero", kGood, 0, "spec.replicas is 0: no pod runs, the Service and its address stay.", ""},
    Reason{
        "SchedulingGated", kWaiting, 3, "The scheduler leaves the pod alone while it has a scheduling gate.",
        "If that lasts, look at the controller after which the gate is named, in schedulingGates: kubectl get pods -l "
        "app.kubernetes.io/instance={name} -o yaml."},
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
    Reason{
        "ServerNotAllowed", kGood, 0,
        "The operator may not ask the registry {server}, so it does not look the image up; the nodes pull it all the "
        "same.",
        "To have it looked up and pinned, have {server} added to the chart's value registry.servers."},
    Reason{"ServiceAccountForbidden", kFailing, 80, "The operator may not read ServiceAccount {account}: {detail}.",
           "Give its ClusterRole the verb that the message names; it is looked at again within 30 seconds."},
    Reason{"ServiceAccountNotFound", kFailing, 80, "ServiceAccount {account} does not exist in namespace {namespace}.",
           "Create it or correct spec.registry.auth.workloadIdentity; it is looked at again within 30 seconds."},
    Reason{"ServiceInvalid", kStalled, 80, "The API server refused Service {object}: {detail}.",
           "Correct the field of spec.service that the message names."},
    Reason{
        "ServiceMonitorKindMissing", kFailing, 20,
        "ServiceMonitor {object} cannot be made: the cluster has no kind ServiceMonitor (monitoring.coreos.com/v1).",
        "Install the Prometheus operator's CustomResourceDefinitions, or set spec.monitoring.serviceMonitor to Auto; "
        "it is made within seconds after they are there."},
    Reason{"ServicePending", kWaiting, 5, "Service {service} is being made.", ""},
    Reason{"SignatureRefused", kStalled, 65,
           "The node refuses the image {image}, because its signature does not satisfy the node's policy.",
           "Sign the image with a key that the policy of the nodes trusts, or name one that is signed."},
    Reason{"Skipped", kGood, 0, "spec.registry.preflight is Off: the image is not looked up in its registry.", ""},
    Reason{"Stable", kGood, 0, "Nothing is left to do.", ""},
    Reason{"SubnetFull", kFailing, 60,
           "The subnet of the internal load balancer has no address left for Service {service}.",
           "Free addresses in the subnet or name another one in spec.service.annotations."},
    Reason{"SubnetInvalid", kStalled, 60, "The subnet named for Service {service} does not exist: {detail}.",
           "Correct the subnet annotation in spec.service.annotations."},
    Reason{"Suspended", kGood, 0, "No pod runs, because {why}; the Service and its address stay.", ""},
    Reason{
        "TLSUntrusted", kFailing, 65, "The certificate of {server} is not trusted by {who}: {detail}.",
        "Give the server a valid certificate, or have its authority trusted: by the nodes, where a node refuses it; by "
        "the chart's value registry.certificateAuthorities, where the operator does."},
    Reason{"TagMoved", kGood, 0,
           "The tag of {image} stands for another image by now; the pods keep the one that they began with.",
           "To follow it set spec.registry.tagRefresh, or name the new tag or digest in spec.image."},
    Reason{"TagRemoved", kGood, 0,
           "The registry {server} no longer knows the tag of {image}, but holds what it stood for, by which the pods "
           "pull.",
           ""},
    Reason{"Throttled", kFailing, 60, "The registry {server} answers that too many requests were made (HTTP 429).",
           "Wait, or use a larger registry tier; it is tried again by itself."},
    Reason{"TimeZoneInvalid", kStalled, 80,
           "spec.schedule cannot be followed: {detail}. Until it can, it neither starts nor ends pods.",
           "Set spec.schedule.timeZone to a name of the IANA time zone database, for example Europe/Berlin."},
    Reason{
        "TokenRequestForbidden", kFailing, 80,
        "The operator may not ask for tokens of ServiceAccount {account} in namespace {namespace}: no Role there lets "
        "it.",
        "Apply the Role and the RoleBinding that kubectl imageclassifier render --grant -f FILE prints (FILE is this "
        "resource); it is tried again by itself."},
    Reason{"Unschedulable", kFailing, 50, "No node can take the pod: {detail}.",
           "Add or free a node, lower spec.resources.requests, or correct spec.pod.nodeSelector and tolerations."},
    Reason{"UserProvided", kGood, 0, "Secret {secret} holds a credential for {server}.", ""},
    Reason{"VolumeClaimNotFound", kFailing, 80,
           "PersistentVolumeClaim {object}, which {field} names, does not exist in namespace {namespace}.",
           "Create it or correct the field; it is looked at again within 30 seconds."},
    Reason{"VolumeClaimUnbound", kFailing, 55,
           "No node can take the pod before PersistentVolumeClaim {claim} is bound to a volume: {detail}.",
           "See why it is not: kubectl describe pvc {claim}; it needs a storage class that makes volumes, or a "
           "PersistentVolume that fits."},
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
