import { hash } from 'node:crypto';
import { html, raw } from 'hono/html';
import type { OpenApiDocument, Operation } from './document.ts';

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#f6f8fa, #151b23); --dim: light-dark(#59636e, #9198a1); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; background: light-dark(#fff, #0d1117); color: light-dark(#1f2328, #f0f6fc); }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { padding: .5rem .75rem; cursor: pointer; overflow-wrap: anywhere; }
details[open] > summary { border-bottom: 1px solid var(--line); background: var(--soft); }
.body { padding: .25rem .75rem .75rem; }
.method { display: inline-block; min-width: 4.5em; font-weight: 600; text-transform: uppercase; }
.dim { color: var(--dim); }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; border-radius: 6px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
`;

/** Content-Security-Policy of the page: its own style and nothing else. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

type Html = ReturnType<typeof html>;

/** The document as one HTML page without a script, which a browser shows without asking anybody for anything. */
export function createPage(document: OpenApiDocument): Html {
  const { title, version, description } = document.info;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} API ${version}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<h1>${title} API <span class="dim">${version}</span></h1>
<p>${description}</p>
<p>The same for programs: <a href="openapi.json">openapi.json</a>. A key goes into <code>authorization: Bearer KEY</code> or <code>x-api-key: KEY</code>.</p>
${document.tags.map(({ name }) => section(document, name))}
</main>
</body>
</html>`;
}

function section({ paths }: OpenApiDocument, tag: string): Html {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      operation.tags.includes(tag) ? [{ path, method, operation }] : [],
    ),
  );
  return html`<h2>${tag}</h2>
${operations.map(
  ({ path, method, operation }) => html`<details id="${operation.operationId}">
<summary><span class="method">${method}</span> <code>${path}</code> <span class="dim">${operation.summary}</span></summary>
<div class="body">${details(operation)}</div>
</details>
`,
)}`;
}

function details({ description, parameters = [], requestBody, responses }: Operation): Html {
  return html`${description === undefined ? '' : html`<p>${description}</p>`}
${parameters.length === 0 ? '' : parameterTable(parameters)}
${requestBody === undefined ? '' : contents('Request body', requestBody.content)}
${Object.entries(responses).map(([status, { description: meaning, content }]) =>
  contents(status === 'default' ? 'Errors' : status, content ?? {}, meaning),
)}`;
}

function parameterTable(parameters: NonNullable<Operation['parameters']>): Html {
  return html`<h3>Parameters</h3>
<table><thead><tr><th scope="col">Name</th><th scope="col">In</th><th scope="col">Meaning</th></tr></thead><tbody>
${parameters.map(
  ({ name, in: place, description }) =>
    html`<tr><td><code>${name}</code></td><td>${place}</td><td>${description}</td></tr>`,
)}
</tbody></table>`;
}

type Content = NonNullable<Operation['requestBody']>['content'];

function contents(title: string, content: Content, meaning = ''): Html {
  return html`<h3>${title}</h3>
${meaning === '' ? '' : html`<p>${meaning}</p>`}
${Object.entries(content).map(
  ([type, { schema, example }]) => html`<p><code>${type}</code></p>
${example === undefined ? '' : html`<p>Example</p><pre tabindex="0">${JSON.stringify(example, null, 2)}</pre><p>Schema</p>`}
${schema['type'] === 'string' ? html`<p>${schema['description'] ?? ''}</p>` : html`<pre tabindex="0">${JSON.stringify(schema, null, 2)}</pre>`}`,
)}`;
}
