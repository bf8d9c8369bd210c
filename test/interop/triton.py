"""Reads metadata and infers with Triton's own HTTP client, JSON and binary, against a running service."""

import json
import sys

import numpy
import tritonclient.http as triton

url, key, zoo = sys.argv[1:4]
client = triton.InferenceServerClient(url=url)
AUTHORIZATION = {"Authorization": f"Bearer {key}"}
# The client writes into the dictionary that it is given: a new one each time.
NUMPY = {"FP32": numpy.float32, "FP64": numpy.float64, "INT64": numpy.int64, "INT32": numpy.int32}


def check(condition, what):
    if not condition:
        sys.exit(f"triton: {what}")
    print(f"ok {what}")


check(client.is_server_live(headers=dict(AUTHORIZATION)), "server is live")
check(client.is_server_ready(headers=dict(AUTHORIZATION)), "server is ready")
server = client.get_server_metadata(headers=dict(AUTHORIZATION))
check("binary_tensor_data" in server["extensions"], "server metadata names the binary extension")
index = client.get_model_repository_index(headers=dict(AUTHORIZATION))
names = sorted(model["name"] for model in index)
check({"breast-cancer", "digits", "ocr", "vad"} <= set(names), f"repository index lists {names}")

for name in ("breast-cancer", "digits", "vad", "ocr"):
    check(client.is_model_ready(name, headers=dict(AUTHORIZATION)), f"{name} is ready")
    metadata = client.get_model_metadata(name, headers=dict(AUTHORIZATION))
    check(metadata["name"] == name, f"{name} has metadata")
    check(client.get_model_config(name, headers=dict(AUTHORIZATION))["name"] == name, f"{name} has a configuration")
    with open(f"{zoo}/{name}/example.json") as file:
        example = json.load(file)
    answers = []
    for binary in (False, True):
        inputs = []
        for tensor in example["inputs"]:
            values = numpy.array(tensor["data"], dtype=NUMPY[tensor["datatype"]]).reshape(tensor["shape"])
            given = triton.InferInput(tensor["name"], list(values.shape), tensor["datatype"])
            given.set_data_from_numpy(values, binary_data=binary)
            inputs.append(given)
        outputs = [triton.InferRequestedOutput(o["name"], binary_data=binary) for o in metadata["outputs"]]
        result = client.infer(name, inputs, outputs=outputs, headers=dict(AUTHORIZATION))
        first = metadata["outputs"][0]["name"]
        answers.append(result.as_numpy(first))
        check(answers[-1] is not None and numpy.isfinite(answers[-1]).all(), f"{name} infers, binary={binary}")
    check(numpy.array_equal(answers[0], answers[1]), f"{name}: JSON and binary agree to the last bit")
