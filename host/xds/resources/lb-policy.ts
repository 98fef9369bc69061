// Cluster.lb_policy with lb_config, or Cluster.load_balancing_policy with typed policies.
import type { LbPolicy } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";

const prefix = "envoy.extensions.load_balancing_policies.";
const roundRobin = `${prefix}round_robin.v3.RoundRobin`;
const leastRequest = `${prefix}least_request.v3.LeastRequest`;
const random = `${prefix}random.v3.Random`;
const wrrLocality = `${prefix}wrr_locality.v3.WrrLocality`;

export function parseLbPolicy(reader: ConfigReader): LbPolicy {
  const policy = reader.choice<string>("lb_policy", "ROUND_ROBIN");
  const typed = reader.message("load_balancing_policy");
  // Settings of a policy that is not the chosen one have no effect in Envoy either.
  if (typed !== undefined || policy !== "ROUND_ROBIN") reader.ignore("round_robin_lb_config");
  if (typed !== undefined || policy !== "LEAST_REQUEST") reader.ignore("least_request_lb_config");
  if (typed !== undefined) return parseTyped(typed);
  switch (policy) {
    case "ROUND_ROBIN":
      // Opened although nothing in it is implemented, so that what is set in it is refused by name.
      reader.message("round_robin_lb_config");
      return { kind: "ROUND_ROBIN" };
    case "LEAST_REQUEST":
      return parseLeastRequest(reader.message("least_request_lb_config"));
    case "RANDOM":
    case "CLUSTER_PROVIDED":
      return { kind: policy };
    default:
      reader.refuse("lb_policy", `${policy} is not implemented`);
      return { kind: "RANDOM" };
  }
}

/** The first policy that is known is used; as with Envoy, none known is an error. */
function parseTyped(reader: ConfigReader): LbPolicy {
  const names: string[] = [];
  for (const policy of reader.messages("policies")) {
    const config = policy.message("typed_extension_config")?.any("typed_config");
    const chosen = config?.message === undefined ? undefined : parseKnown(config.typeName, config.message);
    if (chosen !== undefined) return chosen;
    names.push(config?.typeName ?? "");
  }
  reader.refuse("policies", `Didn't find a registered load balancer factory for cluster; have [${names.join(", ")}]`);
  return { kind: "RANDOM" };
}

function parseKnown(typeName: string, reader: ConfigReader): LbPolicy | undefined {
  switch (typeName) {
    case roundRobin:
      reader.ignore("locality_lb_config");
      return { kind: "ROUND_ROBIN" };
    case leastRequest:
      reader.ignore("locality_lb_config");
      return parseLeastRequest(reader);
    case random:
      reader.ignore("locality_lb_config");
      return { kind: "RANDOM" };
    case wrrLocality: {
      const inner = reader.message("endpoint_picking_policy");
      return inner === undefined ? undefined : parseTyped(inner);
    }
    default:
      return undefined;
  }
}

function parseLeastRequest(reader: ConfigReader | undefined): LbPolicy {
  if (reader?.choice("selection_method", "N_CHOICES") !== undefined && reader.has("selection_method")) {
    reader.refuse("selection_method", "FULL_SCAN is not implemented");
  }
  return {
    kind: "LEAST_REQUEST",
    choiceCount: reader?.number("choice_count", 2) ?? 2,
    activeRequestBias: reader?.message("active_request_bias")?.number("default_value") ?? 1,
  };
}
