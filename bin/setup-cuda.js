/**
 * Puts ONNX Runtime's CUDA provider beside the engine: two libraries of the PyPI wheel `onnxruntime-gpu` of the engine's
 * own version, which pip fetches from the registry that it is configured for. Wheel and libraries are pinned by digest.
 * CUDA 13 and cuDNN 9 are the host's. Run again, it finds its work done.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { copyFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";

const VERSION = "1.30.0";
/** The provider libraries are the same for every Python; this one's wheel is asked for, whatever runs pip. */
const WHEEL = `onnxruntime_gpu-${VERSION}-cp312-cp312-manylinux_2_28_x86_64.whl`;
const WHEEL_SHA256 = "6acc0f4b3d5ac5f2984432faa59dd8fcce6775f8b43a7140afa0f322c7a703b1";
const LIBRARIES = {
  "libonnxruntime_providers_shared.so": "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
  "libonnxruntime_providers_cuda.so": "35da2e7ed0dd0d1aec5cdb16ce11a51d06c0c48cf62d1b1c9332946a4fae14fc",
};
const DOWNLOAD_LIMIT_MS = 30 * 60_000;
const HELP = `npm run setup:cuda [-- --wheel FILE | --remove]

Downloads ${WHEEL} (247 MB) with pip, or takes the FILE given, checks its digest, and puts
${Object.keys(LIBRARIES).join(" and ")} (272 MB) beside onnxruntime-node. Needs Linux x64 and
python3 with pip; CUDA 13, cuDNN 9 and the NVIDIA driver are yours to install. --remove takes the libraries away.
`;

class SetupError extends Error {
  exitCode = 1;
}

class FlagError extends SetupError {
  exitCode = 2;
}

async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function check(file, wanted) {
  if ((await sha256(file)) !== wanted)
    throw new SetupError(`${file} has not the digest that is pinned: ${wanted}`);
}

/** @returns the folder that the engine opens its providers from */
function engineFolder() {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new SetupError("ONNX Runtime has a CUDA provider for Linux x64 alone");
  const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
  const { version } = createRequire(import.meta.url)(manifest);
  if (version !== VERSION)
    throw new SetupError(`the engine is ${version}, and provider libraries are pinned for ${VERSION} alone`);
  return join(dirname(manifest), "bin/napi-v6/linux/x64");
}

function python(parameters, what) {
  const { status, error } = spawnSync("python3", parameters, {
    stdio: "inherit",
    timeout: DOWNLOAD_LIMIT_MS,
  });
  if (error) throw new SetupError(`python3 does not run: ${error.message}`);
  if (status !== 0) throw new SetupError(`${what} failed: see above`);
}

async function download(folder) {
  const requirements = join(folder, "requirements.txt");
  await writeFile(requirements, `onnxruntime-gpu==${VERSION} --hash=sha256:${WHEEL_SHA256}\n`);
  const target =
    "--platform manylinux_2_28_x86_64 --python-version 3.12 --implementation cp --abi cp312".split(" ");
  const pinned = ["--require-hashes", "--no-deps", "--only-binary=:all:", ...target, "-r", requirements];
  python(["-m", "pip", "download", "--dest", folder, ...pinned], "the download of the wheel");
  return join(folder, WHEEL);
}

async function place(wheel, folder, into) {
  await check(wheel, WHEEL_SHA256);
  const members = Object.keys(LIBRARIES).map((name) => `onnxruntime/capi/${name}`);
  const extract =
    "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); [z.extract(n, sys.argv[2]) for n in sys.argv[3:]]";
  python(["-c", extract, wheel, folder, ...members], "the extraction");
  for (const [name, digest] of Object.entries(LIBRARIES)) {
    const from = join(folder, "onnxruntime/capi", name);
    await check(from, digest);
    // Beside its place first: an engine that starts meanwhile finds a whole library or none.
    const partial = join(into, `.${name}.partial`);
    await copyFile(from, partial);
    await rename(partial, join(into, name));
  }
}

async function isDone(into) {
  for (const [name, digest] of Object.entries(LIBRARIES)) {
    const file = join(into, name);
    if (!existsSync(file) || (await sha256(file)) !== digest) return false;
  }
  return true;
}

async function main({ wheel, remove }) {
  if (remove && wheel !== undefined) throw new FlagError("--remove takes no --wheel");
  if (wheel !== undefined && !existsSync(wheel)) throw new FlagError(`there is no file ${wheel}`);
  const into = engineFolder();
  if (remove) {
    for (const name of Object.keys(LIBRARIES)) await rm(join(into, name), { force: true });
    return "The CUDA provider is removed.";
  }
  const next = "Next: npx affidavit doctor";
  if (await isDone(into)) return `The CUDA provider is in place already. ${next}`;
  const folder = await mkdtemp(join(tmpdir(), "affidavit-cuda-"));
  try {
    await place(wheel === undefined ? await download(folder) : resolve(wheel), folder, into);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return `The CUDA provider is in place. ${next}`;
}

try {
  const options = { wheel: { type: "string" }, remove: { type: "boolean" }, help: { type: "boolean" } };
  const { values } = parseArgs({ options });
  process.stdout.write(values.help ? HELP : `${await main(values)}\n`);
} catch (error) {
  process.stderr.write(`setup:cuda: ${error.message}\n`);
  process.exitCode = error.exitCode ?? (error.code?.startsWith("ERR_PARSE_ARGS") ? 2 : 3);
}
