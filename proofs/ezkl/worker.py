"""One prover: reads requests as JSON lines from standard input, answers on standard output, one operation at a time.

Whoever started it bounds its time and memory and kills it; this file keeps no state between operations and writes no
secret to disk (inputs, witnesses and proofs stay in memory files where the system has them).
"""

import asyncio
import ctypes
import inspect
import json
import os
import resource
import sys
import tempfile
import time

# Libraries print where they please: what is on descriptor 1 from here on is stderr.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

# Rows that blinding takes off every column, at least; the library refuses a circuit where it is more.
BLINDING_ROWS = 6
PR_SET_PDEATHSIG = 1
SIGKILL = 9


def die_with_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        if os.getppid() == 1:
            os._exit(1)


def limit_memory(limit_bytes):
    # Address space, not resident size: a backstop to the parent's watch.
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


die_with_parent()
limits = json.loads(sys.argv[1])
if limits["addressSpaceBytes"]:
    limit_memory(limits["addressSpaceBytes"])
os.nice(limits["nice"])

import ezkl  # noqa: E402  (under the limits)


class PrivateFile:
    """A file for one operation that no other process reads."""

    def __init__(self, content=""):
        if hasattr(os, "memfd_create"):
            self.fd = os.memfd_create("private")
            self.path = f"/proc/self/fd/{self.fd}"
        else:
            self.fd, self.path = tempfile.mkstemp()
        with open(self.path, "w") as file:
            file.write(content)

    def read(self):
        with open(self.path) as file:
            return file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
        if not self.path.startswith("/proc/"):
            os.unlink(self.path)


def call(function, *args, **kwargs):
    async def awaited():
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return asyncio.run(awaited())


def in_folder(folder, name):
    return os.path.join(folder, name)


def run_args(settings):
    args = ezkl.PyRunArgs()
    args.input_visibility = "hashed"
    args.param_visibility = settings["parameters"]
    args.output_visibility = "public"
    args.input_scale = settings["scale"]
    args.param_scale = settings["scale"]
    args.decomp_base = settings["decompositionBase"]
    args.decomp_legs = settings["decompositionLegs"]
    if settings.get("lookupRange"):
        args.lookup_range = tuple(settings["lookupRange"])
    return args


def fewest_logrows(settings):
    tables = [high - low + 1 for low, high in settings["required_range_checks"]]
    # A lookup table that does not fit one column is spread over several, and the WebAssembly verifier refuses those proofs.
    if settings["required_lookups"]:
        low, high = settings["run_args"]["lookup_range"]
        tables.append(high - low + 1)
    rows = max(settings["num_rows"], settings["module_sizes"]["poseidon"][0], *tables)
    return (rows + BLINDING_ROWS - 1).bit_length()


def compile_circuit(request, _):
    folder, wanted = request["directory"], request["settings"]
    onnx, path = in_folder(folder, "model.onnx"), in_folder(folder, "settings.json")
    call(ezkl.gen_settings, onnx, path, py_run_args=run_args(wanted))
    with open(path) as file:
        settings = json.load(file)
    # The library's order is random and changes the verifying key; its time stamp changes the digest.
    settings["required_range_checks"].sort()
    settings["timestamp"] = None
    settings["run_args"]["logrows"] = wanted.get("logrows") or fewest_logrows(settings)
    with open(path, "w") as file:
        json.dump(settings, file)
    call(ezkl.compile_circuit, onnx, in_folder(folder, "circuit.compiled"), path)
    return {"settings": settings}


def recompile(request, _):
    folder = request["directory"]
    call(ezkl.compile_circuit, *[in_folder(folder, name) for name in ("model.onnx", "circuit.compiled", "settings.json")])
    return {}


def input_file(elements, scale):
    return PrivateFile(json.dumps({"input_data": [[q / 2**scale for q in elements]]}))


def witness_of(request, elements):
    compiled = in_folder(request["directory"], "circuit.compiled")
    with input_file(elements, request["inputScale"]) as data:
        return call(ezkl.gen_witness, data.path, compiled, None)


def rehearse(request, _):
    results = []
    for elements in request["samples"]:
        try:
            witness = witness_of(request, elements)
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            results.append({"refused": str(error)[-300:]})
            continue
        params = (witness.get("processed_params") or {}).get("poseidon_hash")
        lookups = [witness["min_lookup_inputs"], witness["max_lookup_inputs"]]
        results.append({"outputs": sum(witness["outputs"], []), "parametersHash": params, "lookups": lookups})
    return {"samples": results}


def mock(request, _):
    compiled = in_folder(request["directory"], "circuit.compiled")
    with PrivateFile(json.dumps(witness_of(request, request["elements"]))) as witness:
        return {"holds": bool(call(ezkl.mock, witness.path, compiled))}


def setup(request, _):
    folder = request["directory"]
    paths = [in_folder(folder, name) for name in ("circuit.compiled", "vk", "pk")]
    call(ezkl.setup, *paths, srs_path=in_folder(folder, "kzg.srs"))
    return {}


def gen_srs(request, _):
    call(ezkl.gen_srs, request["file"], request["logrows"])
    return {}


def prove(request, stage):
    folder = request["directory"]
    stage("witness")
    witness = witness_of(request, request["elements"])
    stage("prove")
    with PrivateFile(json.dumps(witness)) as file:
        paths = [file.path, in_folder(folder, "circuit.compiled"), in_folder(folder, "pk")]
        proof = call(ezkl.prove, *paths, None, "single", srs_path=in_folder(folder, "kzg.srs"))
    stage("verify")
    digits = proof["proof"][2:] if proof["proof"].startswith("0x") else proof["proof"]
    result = {"proof": digits, "instances": sum(proof["instances"], [])}
    if not verify({**request, **result}, stage)["holds"]:
        raise ValueError("the proof that was made does not verify")
    return result


def verify(request, _):
    folder = request["directory"]
    content = {
        "instances": [request["instances"]],
        "proof": list(bytes.fromhex(request["proof"])),
        "transcript_type": "EVM",
    }
    paths = [in_folder(folder, name) for name in ("settings.json", "vk")]
    with PrivateFile(json.dumps(content)) as file:
        try:
            held = call(ezkl.verify, file.path, *paths, srs_path=in_folder(folder, "kzg.srs"))
        except RuntimeError:  # how the library says no
            held = False
    return {"holds": bool(held)}


def solidity_of(generate, scratch, *paths, **options):
    source = in_folder(scratch, "source.sol")
    try:
        call(generate, *paths, source, in_folder(scratch, "abi"), **options)
    except RuntimeError:
        # The source is written before a compiler is looked for, and the compiler is not needed here.
        if not os.path.exists(source):
            raise
    with open(source) as file:
        return file.read()


def evm_verifier(request, _):
    folder, reusable = request["directory"], request["reusable"]
    paths = [in_folder(folder, name) for name in ("vk", "settings.json")]
    srs = {"srs_path": in_folder(folder, "kzg.srs")}
    with tempfile.TemporaryDirectory() as scratch:
        verifier = solidity_of(ezkl.create_evm_verifier, scratch, *paths, reusable=reusable, **srs)
    if not reusable:
        return {"verifier": verifier, "key": None}
    with tempfile.TemporaryDirectory() as scratch:
        return {"verifier": verifier, "key": solidity_of(ezkl.create_evm_vka, scratch, *paths, **srs)}


OPERATIONS = {
    "compile": compile_circuit,
    "recompile": recompile,
    "rehearse": rehearse,
    "mock": mock,
    "setup": setup,
    "srs": gen_srs,
    "prove": prove,
    "verify": verify,
    "evm": evm_verifier,
}


def peak_memory_bytes():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def say(message):
    answers.write(json.dumps(message) + "\n")


def serve():
    say({"ready": True, "version": ezkl.__version__})
    for line in sys.stdin:
        request = json.loads(line)
        number = request["id"]
        started = time.monotonic()
        stages = {}

        def stage(name):
            stages[name] = time.monotonic()
            say({"id": number, "stage": name})

        try:
            result = OPERATIONS[request["operation"]](request, stage)
            ends = [*list(stages.values())[1:], time.monotonic()]
            taken = {n: 1000 * (end - at) for (n, at), end in zip(stages.items(), ends)}
            wall = 1000 * (time.monotonic() - started)
            say({"id": number, "result": result, "stagesMs": taken, "wallMs": wall, "peakMemoryBytes": peak_memory_bytes()})
        except BaseException as error:  # a panic of the library is no Exception
            # After a panic the library answers nothing but that it panicked once.
            ending = not isinstance(error, Exception)
            memory = isinstance(error, MemoryError)
            say({"id": number, "error": str(error)[-2000:], "memory": memory, "ending": ending})
            if ending:
                return


try:
    serve()
finally:
    answers.flush()
    # Its threads may still run, and their destructors hang.
    os._exit(0)
