// The list of endpoints, as text (/help) and as a page (/), made of the table.
import type { Endpoint } from "./endpoints.ts";
import { escapeHtml } from "./exchange.ts";

export function helpText(endpoints: readonly Endpoint[]): string {
  let out = "admin commands are:\n";
  for (const { path, help, mutates, parameters } of inOrder(endpoints)) {
    out += `  ${path}${mutates ? " (POST)" : ""}: ${help}\n`;
    for (const { name, help: about, choices } of parameters)
      out += `      ${name}: ${about}${choices === undefined ? "" : `; One of (${choices.join(", ")})`}\n`;
  }
  return out;
}

function inOrder(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...endpoints].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const STYLE =
  "body{font-family:sans-serif;margin:2em}td{padding:4px 12px 4px 0;vertical-align:top}form{margin:0}label{display:block;color:#555}h1{font-size:1.3em}";

/** Links for what only shows something, forms with a button for what changes something. No scripts. */
export function helpPage(endpoints: readonly Endpoint[]): string {
  const rows = inOrder(endpoints)
    .filter(({ path }) => path !== "/" && !path.includes("{"))
    .map(row)
    .join("\n");
  return `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Sluice admin</title><style>${STYLE}</style></head>
<body>
<h1>Sluice admin</h1>
<table>
${rows}
</table>
</body>
</html>
`;
}

function row({ path, help, mutates, parameters }: Endpoint): string {
  const action = escapeHtml(path.slice(1));
  const isPlain = !mutates && parameters.length === 0;
  const command = isPlain ? `<a href="${action}">${action}</a>` : form(action, mutates, parameters);
  return `<tr><td>${command}</td><td>${escapeHtml(help)}</td></tr>`;
}

/** A form that changes something carries no fields: Envoy's parameters are a query, not a body. */
function form(action: string, mutates: boolean, parameters: Endpoint["parameters"]): string {
  if (mutates) return `<form method="post" action="${action}"><button>${action}</button></form>`;
  const fields = parameters.map(({ name, help, choices }) => {
    const label = escapeHtml(`${name}: ${help}`);
    if (choices !== undefined)
      return `<label><select name="${name}"><option></option>${choices.map((choice) => `<option>${escapeHtml(choice)}</option>`).join("")}</select> ${label}</label>`;
    return `<label><input name="${name}"> ${label}</label>`;
  });
  return `<form method="get" action="${action}"><a href="${action}">${action}</a><details><summary>parameters</summary>${fields.join("")}<button>show</button></details></form>`;
}
