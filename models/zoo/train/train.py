"""Trains the two models of the zoo that are ours, and writes everything beside them that training decides.

    python -m venv VENV && VENV/bin/pip install -r requirements.txt && OMP_NUM_THREADS=1 VENV/bin/python train.py

Plain numpy, fixed seeds, one thread. The example requests and the expected outputs are computed here in numpy, so
that the TypeScript pre-processing and ONNX Runtime are checked against an independent account of the same model.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

import manifests

ZOO = Path(__file__).resolve().parent.parent
OPSET = 13
IR_VERSION = 8


class Adam:
    def __init__(self, parameters, rate, decay):
        self.parameters, self.rate, self.decay = parameters, rate, decay
        self.first = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.second = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.step = 0

    def update(self, gradients):
        self.step += 1
        for name, gradient in gradients.items():
            gradient = gradient + self.decay * self.parameters[name]
            self.first[name] = 0.9 * self.first[name] + 0.1 * gradient
            self.second[name] = 0.999 * self.second[name] + 0.001 * gradient**2
            mean = self.first[name] / (1 - 0.9**self.step)
            spread = self.second[name] / (1 - 0.999**self.step)
            self.parameters[name] -= self.rate * mean / (np.sqrt(spread) + 1e-8)


def fit(parameters, loss_gradients, inputs, targets, random, epochs, rate, decay, batch=32):
    adam = Adam(parameters, rate, decay)
    for epoch in range(epochs):
        adam.rate = rate * (1 - epoch / epochs)
        order = random.permutation(len(inputs))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            adam.update(loss_gradients(parameters, inputs[rows], targets[rows]))


def single(parameters):
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def he(random, fan_in, *shape):
    return random.normal(0, np.sqrt(2 / fan_in), shape)


# Breast cancer: a 30-16-8-1 perceptron that gives the logit of "malignant".


def mlp(parameters, x):
    first = np.maximum(x @ parameters["w1"] + parameters["b1"], 0)
    second = np.maximum(first @ parameters["w2"] + parameters["b2"], 0)
    return first, second, second @ parameters["w3"] + parameters["b3"]


def mlp_gradients(parameters, x, y):
    first, second, logit = mlp(parameters, x)
    delta = (1 / (1 + np.exp(-logit)) - y[:, None]) / len(x)
    gradients = {"w3": second.T @ delta, "b3": delta.sum(0)}
    delta = (delta @ parameters["w3"].T) * (second > 0)
    gradients |= {"w2": first.T @ delta, "b2": delta.sum(0)}
    delta = (delta @ parameters["w2"].T) * (first > 0)
    return gradients | {"w1": x.T @ delta, "b1": delta.sum(0)}


def train_breast_cancer():
    data = load_breast_cancer()
    malignant = (data.target == 0).astype(float)
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, malignant, test_size=0.25, random_state=20, stratify=malignant
    )
    mean = np.array([float(f"{value:.6g}") for value in x_train.mean(0)])
    scale = np.array([float(f"{value:.6g}") for value in x_train.std(0)])
    random = np.random.default_rng(7)
    parameters = {
        "w1": he(random, 30, 30, 16), "b1": np.zeros(16),
        "w2": he(random, 16, 16, 8), "b2": np.zeros(8),
        "w3": he(random, 8, 8, 1), "b3": np.zeros(1),
    }  # fmt: skip
    fit(parameters, mlp_gradients, (x_train - mean) / scale, y_train, random, 120, 3e-3, 3e-3)
    parameters = single(parameters)
    test = ((x_test - mean) / scale).astype(np.float32)
    logits = mlp(parameters, test)[2][:, 0]
    correct = (logits >= 0) == (y_test == 1)
    layers = [("x", "w1", "b1", True), ("h1", "w2", "b2", True), ("h2", "w3", "b3", False)]
    nodes = []
    for index, (source, weight, bias, relu) in enumerate(layers, 1):
        nodes.append(helper.make_node("MatMul", [source, weight], [f"m{index}"]))
        nodes.append(helper.make_node("Add", [f"m{index}", bias], [f"a{index}" if relu else "logit"]))
        if relu:
            nodes.append(helper.make_node("Relu", [f"a{index}"], [f"h{index}"]))
    folder = ZOO / "breast-cancer"
    save(folder, "breast-cancer", nodes, parameters, ("x", [1, 30]), ("logit", [1, 1]))
    # the surest case would say little: take one a third of the way up its class
    order = np.argsort(logits[y_test == 1])
    row = np.flatnonzero(y_test == 1)[order[len(order) // 3]]
    names = [str(name) for name in data.feature_names]
    raw = {name: float(value) for name, value in zip(names, x_test[row], strict=True)}
    write_json(folder / "example.raw.json", raw)
    probability = float(1 / (1 + np.exp(-np.float64(logits[row]))))
    display = {"kind": "label", "label": "malignant", "of": "malignant", "probability": probability}
    write_case(folder, ("x", [1, 30], test[row]), ("logit", [1, 1], [logits[row]]), display, "example.raw.json")
    figures = measure(folder, correct, len(x_train), parameters)
    write_manifest(folder, manifests.breast_cancer(figures, names, mean.tolist(), scale.tolist()))


# Digits: a CNN of two convolutions on 8x8 images, computed as matrix products over 3x3 patches.


def patches(x):
    """[n, channel, height, width] to [n, height, width, channel * 9], edges padded with 0."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(x), x.shape[2], x.shape[3], -1)


def unpatch(gradient, channels):
    count, height, width, _ = gradient.shape
    gradient = gradient.reshape(count, height, width, channels, 3, 3)
    padded = np.zeros((count, channels, height + 2, width + 2))
    for row in range(3):
        for column in range(3):
            part = gradient[..., row, column].transpose(0, 3, 1, 2)
            padded[:, :, row : row + height, column : column + width] += part
    return padded[:, :, 1:-1, 1:-1]


def pool(x):
    count, channels, height, width = x.shape
    return x.reshape(count, channels, height // 2, 2, width // 2, 2).mean((3, 5), dtype=x.dtype)


def unpool(gradient):
    return gradient.repeat(2, 2).repeat(2, 3) / 4


def convolve(columns, weight, bias):
    return (columns @ weight.reshape(len(weight), -1).T + bias).transpose(0, 3, 1, 2)


def cnn(parameters, x):
    first = patches(x)
    one = np.maximum(convolve(first, parameters["c1"], parameters["d1"]), 0)
    second = patches(pool(one))
    two = np.maximum(convolve(second, parameters["c2"], parameters["d2"]), 0)
    flat = pool(two).reshape(len(x), -1)
    return first, one, second, two, flat, flat @ parameters["w"] + parameters["b"]


def cnn_gradients(parameters, x, y):
    first, one, second, two, flat, logits = cnn(parameters, x)
    power = np.exp(logits - logits.max(1, keepdims=True))
    delta = (power / power.sum(1, keepdims=True) - np.eye(10)[y]) / len(x)
    gradients = {"w": flat.T @ delta, "b": delta.sum(0)}
    delta = unpool((delta @ parameters["w"].T).reshape(len(x), -1, 2, 2)) * (two > 0)
    rows = delta.transpose(0, 2, 3, 1)
    weight = parameters["c2"]
    gradients |= {"c2": np.tensordot(rows, second, ((0, 1, 2), (0, 1, 2))).reshape(weight.shape), "d2": rows.sum((0, 1, 2))}
    delta = unpatch(rows @ weight.reshape(len(weight), -1), weight.shape[1])
    rows = (unpool(delta) * (one > 0)).transpose(0, 2, 3, 1)
    shape = parameters["c1"].shape
    return gradients | {"c1": np.tensordot(rows, first, ((0, 1, 2), (0, 1, 2))).reshape(shape), "d1": rows.sum((0, 1, 2))}


def train_digits():
    data = load_digits()
    images = data.images[:, None] / 16
    x_train, x_test, y_train, y_test = train_test_split(
        images, data.target, test_size=0.25, random_state=20, stratify=data.target
    )
    random = np.random.default_rng(11)
    parameters = {
        "c1": he(random, 9, 8, 1, 3, 3), "d1": np.zeros(8),
        "c2": he(random, 72, 16, 8, 3, 3), "d2": np.zeros(16),
        "w": he(random, 64, 64, 10), "b": np.zeros(10),
    }  # fmt: skip
    fit(parameters, cnn_gradients, x_train, y_train, random, 60, 4e-3, 2e-4)
    parameters = single(parameters)
    test = x_test.astype(np.float32)
    logits = cnn(parameters, test)[-1]
    correct = logits.argmax(1) == y_test
    pooling = {"kernel_shape": [2, 2], "strides": [2, 2]}
    convolution = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "c1", "d1"], ["a1"], **convolution),
        helper.make_node("Relu", ["a1"], ["h1"]),
        helper.make_node("AveragePool", ["h1"], ["p1"], **pooling),
        helper.make_node("Conv", ["p1", "c2", "d2"], ["a2"], **convolution),
        helper.make_node("Relu", ["a2"], ["h2"]),
        helper.make_node("AveragePool", ["h2"], ["p2"], **pooling),
        helper.make_node("Flatten", ["p2"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
    ]
    folder = ZOO / "digits"
    save(folder, "digits", nodes, parameters, ("image", [1, 1, 8, 8]), ("logits", [1, 10]))
    row = int(np.flatnonzero(correct & (y_test == 3))[0])
    pixels = (x_test[row, 0] * 16).astype(np.uint8)
    (folder / "example.pgm").write_bytes(b"P5\n8 8\n16\n" + pixels.tobytes())
    scores = logits[row].astype(np.float64)
    power = np.exp(scores - scores.max())
    label = str(scores.argmax())
    display = {"kind": "label", "label": label, "of": label, "probability": float(power.max() / power.sum())}
    write_case(folder, ("image", [1, 1, 8, 8], test[row].ravel()), ("logits", [1, 10], scores), display, "example.pgm")
    write_manifest(folder, manifests.digits(measure(folder, correct, len(x_train), parameters)))


def save(folder, name, nodes, parameters, source, target):
    tensor = lambda pair: helper.make_tensor_value_info(pair[0], TensorProto.FLOAT, pair[1])
    weights = [numpy_helper.from_array(value, key) for key, value in parameters.items()]
    graph = helper.make_graph(nodes, name, [tensor(source)], [tensor(target)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="affidavit")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def numbers(values):
    """The shortest decimals that read back as the same float32 values."""
    shortest = [float(str(value)) for value in np.asarray(values, np.float32)]
    return [int(value) if value.is_integer() else value for value in shortest]


def write_case(folder, source, target, display, raw):
    def tensor(name, shape, values):
        return {"name": name, "datatype": "FP32", "shape": shape, "data": numbers(values)}

    write_json(folder / "example.json", {"inputs": [tensor(*source)]})
    outputs = [{**tensor(*target), "tolerance": 1e-4}]
    write_json(folder / "expected.json", {"raw": raw, "outputs": outputs, "display": display, "displayTolerance": 1e-5})


def write_json(path, value):
    path.write_text(json.dumps(value) + "\n")


def measure(folder, correct, trained, parameters):
    size = sum(value.size for value in parameters.values())
    print(f"{folder.name}: {correct.sum()} of {len(correct)} held out are right, {size} parameters")
    return {
        "accuracy": round(float(correct.mean()), 4),
        "correct": int(correct.sum()),
        "heldOut": len(correct),
        "trained": trained,
    }


def write_manifest(folder, described):
    weights = (folder / "model.onnx").read_bytes()
    script = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    manifest = {
        "formatVersion": 1,
        "name": folder.name,
        "version": "1.0.0",
        "licence": "Apache-2.0",
        "source": {"script": "models/zoo/train/train.py", "version": "1.0.0", "digest": f"sha256:{script}"},
        "weights": {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights), "format": "onnx"},
        "outputKind": {"kind": "fixedPoint", "scale": 6},
        "assurance": ["tee", "tee+zk", "tee+reexecution"],
        "limits": {"maxBatch": 1, "timeoutMs": 10000},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | described, indent=2) + "\n")


if __name__ == "__main__":
    train_breast_cancer()
    train_digits()
