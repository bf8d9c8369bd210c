/** The API reference page and what it loads, all from this origin. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Affidavit API</title>
<link rel="icon" href="data:,">
<script type="module" src="/docs/rapidoc.js"></script>
</head>
<body>
<rapi-doc spec-url="/openapi.json" load-fonts="false" show-header="false" render-style="read"
 theme="light" schema-style="table" allow-authentication="true" allow-server-selection="false"></rapi-doc>
</body>
</html>
`;

/** The bundle styles its elements inline; scripts and requests stay on this origin. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function docs(app: App, services: Services): void {
  let bundle: Promise<string> | undefined;
  let specification: string | undefined;

  app.get("/docs", (c) => c.html(PAGE, 200, { "content-security-policy": CONTENT_SECURITY_POLICY }));

  app.get("/docs/rapidoc.js", async (c) => {
    bundle ??= readFile(createRequire(import.meta.url).resolve("rapidoc"), "utf8");
    return c.body(await bundle, 200, {
      "content-type": "text/javascript; charset=utf-8",
      "cache-control": "public, max-age=86400",
    });
  });

  app.get("/openapi.json", (c) => {
    specification ??= JSON.stringify(describe(app, services.version));
    return c.body(specification, 200, { "content-type": "application/json", "cache-control": "no-cache" });
  });
}

function describe(app: App, version: string): object {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Affidavit",
      version,
      description:
        "Confidential inference whose every answer carries a receipt that anyone can check. Errors are RFC 9457 problems with a stable code; they are neither signed nor charged.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    servers: [{ url: "/" }],
    tags: [
      { name: "Open Inference", description: "KServe's Open Inference Protocol v2 with binary tensor data" },
      { name: "Receipts", description: "Evidence, receipts and the log" },
      { name: "Models" },
      { name: "Account" },
      { name: "Operation" },
    ],
  });
}
