// Stats that bring their labels with them: in this store a stat is its name, so the labels stand in it, as Istio's own bootstrap expects
// them of names ("istiocustom.istio_requests_total;.;reporter=.=source"). Prometheus gets them as labels, without the namespace.
import type { Tag, TaggedName } from "./tags.ts";

export const LABELLED_NAMESPACE = "istiocustom.";
const FIELD = ";.;";
const VALUE = "=.=";

export function labelledName(name: string, labels: readonly (readonly [string, string])[]): string {
  let text = LABELLED_NAMESPACE + name;
  // A value that a peer chose must not end here and begin another label.
  for (const [label, value] of labels) text += FIELD + label + VALUE + value.replaceAll(FIELD, "_").replaceAll(VALUE, "_");
  return text;
}

/** undefined: a name without labels of its own. */
export function splitLabels(name: string): TaggedName | undefined {
  if (!name.startsWith(LABELLED_NAMESPACE)) return undefined;
  const [bare, ...fields] = name.split(FIELD);
  const tags: Tag[] = [];
  for (const field of fields) {
    const at = field.indexOf(VALUE);
    if (at > 0) tags.push({ name: field.slice(0, at), value: field.slice(at + VALUE.length) });
  }
  return { name: bare, tags };
}
