import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";

const PLACES = {
  reference: "/docs",
  openapi: "/openapi.json",
  models: "/v1/models",
  attestation: "/v1/attestation",
  readiness: "/readyz",
  inference: "/v2",
};

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Affidavit</title></head>
<body>
<h1>Affidavit</h1>
<p>Confidential inference whose every answer carries a receipt that anyone can check.</p>
<ul>
${Object.entries(PLACES)
  .map(([name, path]) => `<li><a href="${path}">${name}</a></li>`)
  .join("\n")}
</ul>
</body>
</html>
`;

/** A page for people, JSON for everything else. */
export function landing(app: App, { version }: Services): void {
  app.get("/", (c) => {
    c.header("vary", "accept");
    const wantsPage = (c.req.header("accept") ?? "").includes("text/html");
    return wantsPage ? c.html(PAGE) : c.json({ name: "affidavit", version, ...PLACES }, 200);
  });
}
