import { describe, expect, test } from "vitest";
import { ConfigError, describeConfig, parseConfig } from "./config.ts";

function refusal(environment: Record<string, string>): ConfigError {
  try {
    parseConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("accepted");
}

describe("parseConfig", () => {
  test("has a default for everything that needs one", () => {
    const config = parseConfig({});
    expect(config).toMatchObject({
      host: "127.0.0.1",
      port: 8080,
      attestation: "auto",
      maxBodyBytes: 33_554_432,
    });
    expect(config.databaseUrl).toBeUndefined();
    expect(config.engineHosts).toBeGreaterThan(0);
  });

  test("reads what is set and counts an empty value as unset", () => {
    const config = parseConfig({ PORT: "0", AFFIDAVIT_EXECUTION_PROVIDERS: "cuda,cpu", HOST: "" });
    expect(config).toMatchObject({ port: 0, executionProviders: ["cuda", "cpu"], host: "127.0.0.1" });
  });

  test("keeps vault keys in the user's configuration folder", () => {
    expect(parseConfig({ XDG_CONFIG_HOME: "/x/y" }).vaultDirectory).toBe("/x/y/affidavit/vault");
    expect(parseConfig({ XDG_CONFIG_HOME: "relative" }).vaultDirectory).toContain("/.config/affidavit/vault");
  });

  test("refuses names that nothing reads", () => {
    const error = refusal({ AFFIDAVIT_DATADIR: "/x", AFFIDAVIT_URL: "http://x" });
    expect(error).toMatchObject({ code: "setting_unknown", settings: ["AFFIDAVIT_DATADIR"] });
  });

  test("names every bad setting and never shows a value", () => {
    const error = refusal({
      PORT: "65536",
      DATABASE_URL: "mysql://user:s3cret@host/db",
      AFFIDAVIT_LOG_LEVEL: "loud",
    });
    expect(error.code).toBe("setting_invalid");
    expect(error.settings.toSorted()).toEqual(["AFFIDAVIT_LOG_LEVEL", "DATABASE_URL", "PORT"]);
    expect(error.message).not.toContain("s3cret");
  });

  test.each(["1e3", "-1", "0x10", " 1", "1.5", "9".repeat(400)])("refuses %j as a number", (PORT) => {
    expect(refusal({ PORT }).code).toBe("setting_invalid");
  });
});

test("describeConfig documents each setting once", () => {
  const rows = describeConfig();
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  for (const { meaning } of rows) expect(meaning).toMatch(/\.$/);
});
