import { describe, expect, test } from "vitest";
import { ConfigError, configuredDevices, describeConfig, parseConfig } from "./config.ts";

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

describe("execution providers and devices", () => {
  test.each(["rocm", "cpu,cpu", "", "cuda;cpu", "CPU"])("refuses %j as providers", (text) => {
    if (text === "")
      expect(parseConfig({ AFFIDAVIT_EXECUTION_PROVIDERS: text }).executionProviders).toEqual(["cpu"]);
    else expect(refusal({ AFFIDAVIT_EXECUTION_PROVIDERS: text }).code).toBe("setting_invalid");
  });

  test.each([
    "cuda:",
    "cuda:-1",
    "cuda:0,1",
    "vulkan:icd.json",
    "vulkan:/a.json:/b.json",
    "opencl:0",
    "cuda:x y",
  ])("refuses %j as devices", (text) =>
    expect(refusal({ AFFIDAVIT_ENGINE_DEVICES: text }).code).toBe("setting_invalid"),
  );

  test("gives each device what makes its host see it alone, and of the environment what drivers read", () => {
    const environment = {
      AFFIDAVIT_ENGINE_DEVICES: "cuda:0, cuda:MIG-4f1f9a12-0000-0000-0000-000000000000,vulkan:/etc/icd.json",
      LD_LIBRARY_PATH: "/cuda/lib",
      CUDA_VISIBLE_DEVICES: "3",
      DATABASE_URL: "postgres://user:s3cret@host/db",
    };
    const devices = configuredDevices(parseConfig(environment), ["cuda"], environment);
    const common = {
      NVIDIA_TF32_OVERRIDE: "0",
      CUDA_DEVICE_ORDER: "PCI_BUS_ID",
      LD_LIBRARY_PATH: "/cuda/lib",
    };
    const mig = "MIG-4f1f9a12-0000-0000-0000-000000000000";
    expect(devices).toEqual([
      { name: "cuda:0", environment: { ...common, CUDA_VISIBLE_DEVICES: "0" } },
      { name: `cuda:${mig}`, environment: { ...common, CUDA_VISIBLE_DEVICES: mig } },
      {
        name: "vulkan:/etc/icd.json",
        environment: {
          ...common,
          CUDA_VISIBLE_DEVICES: "3",
          VK_ICD_FILENAMES: "/etc/icd.json",
          VK_DRIVER_FILES: "/etc/icd.json",
        },
      },
    ]);
  });

  test("has no device for the CPU alone, and one by itself for any other provider", () => {
    const config = parseConfig({});
    expect(configuredDevices(config, ["cpu", "cpu"], {})).toEqual([]);
    expect(configuredDevices(config, ["cpu", "webgpu"], {}).map(({ name }) => name)).toEqual(["default"]);
  });
});

test("describeConfig documents each setting once", () => {
  const rows = describeConfig();
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  for (const { meaning } of rows) expect(meaning).toMatch(/\.$/);
});
