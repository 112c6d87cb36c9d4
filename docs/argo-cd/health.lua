-- How Argo CD judges an ImageClassifier. docs/argo-cd/README.md says where it goes.
local health = {status = "Progressing", message = "Waiting for the operator to look at this specification"}
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is(kind, wanted)
  return conditions[kind] ~= nil and conditions[kind].status == wanted
end
if conditions.Ready == nil then
  return health
end
health.message = conditions.Ready.reason .. ": " .. conditions.Ready.message
if is("Suspended", "True") then
  health.status = "Suspended"
elseif is("Stalled", "True") then
  health.status = "Degraded"
elseif is("Ready", "True") then
  health.status = "Healthy"
end
return health
