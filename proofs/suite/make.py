"""Makes the models of the proof table: EZKL's four suite models and an attention block, of plain ONNX operators.

    python -m venv /tmp/suite && /tmp/suite/bin/pip install -r models/zoo/train/requirements.txt
    /tmp/suite/bin/python proofs/suite/make.py

Fixed seeds throughout. Iris (R. A. Fisher, CC BY 4.0) and the diabetes data (B. Efron and others) are read from scikit-learn.
Trees are written as Hummingbird's GEMM strategy has them (Nakandala et al., OSDI 2020): which tests hold, by one matrix
product and a comparison; which leaf that leads to, by another product; what the leaf says, by a third.
"""

import json
import os

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

FOLDER = os.path.dirname(os.path.abspath(__file__))
SEED = 20
SAMPLES = 16


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def write(name, nodes, constants, samples, output_shape, run):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(samples[0].shape))]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape)]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(
        graph, producer_name="affidavit", ir_version=8, opset_imports=[helper.make_opsetid("", 13)]
    )
    checker.check_model(model, full_check=True)
    save(model, os.path.join(FOLDER, f"{name}.onnx"))
    case = {
        "input": list(samples[0].shape),
        "output": output_shape,
        "samples": [
            {"x": x.astype(np.float32).reshape(-1).tolist(), "y": np.asarray(run(x)).reshape(-1).tolist()}
            for x in samples
        ],
    }
    with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
        json.dump(case, file)
        file.write("\n")


def rows(data):
    rng = np.random.default_rng(SEED)
    return [data[i : i + 1].astype(np.float32) for i in rng.choice(len(data), SAMPLES, replace=False)]


def linear(name, data, coefficients, intercept):
    w, b = coefficients.T.astype(np.float32), intercept.reshape(1, -1).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])]
    constants = [constant("w", w), constant("b", b)]
    write(name, nodes, constants, rows(data), [1, w.shape[1]], lambda x: x @ w + b)


def paths(tree, node=0, above=()):
    """Each leaf with the tests above it and how they must turn out."""
    if tree.children_left[node] == -1:
        yield node, above
        return
    yield from paths(tree, tree.children_left[node], (*above, (node, True)))
    yield from paths(tree, tree.children_right[node], (*above, (node, False)))


def forest(name, data, trees, values, bias):
    """`values(tree, leaf)`: what the leaf adds to the output."""
    tests, leaves = [], []
    for tree in trees:
        index = {}
        for node in range(tree.node_count):
            if tree.children_left[node] != -1:
                index[node] = len(tests)
                tests.append((tree.feature[node], tree.threshold[node]))
        for leaf, above in paths(tree):
            leaves.append(([(index[node], left) for node, left in above], values(tree, leaf)))
    features = data.shape[1]
    select = np.zeros((features, len(tests)))
    for i, (feature, _) in enumerate(tests):
        select[feature, i] = 1
    thresholds = np.array([[threshold for _, threshold in tests]])
    # A leaf is reached where as many of its tests hold (or fail, counted -1) as lie above it.
    reach = np.zeros((len(tests), len(leaves)))
    needed = np.zeros((1, len(leaves)))
    said = np.array([value for _, value in leaves])
    for i, (above, _) in enumerate(leaves):
        for test, left in above:
            reach[test, i] = 1 if left else -1
        needed[0, i] = sum(left for _, left in above) - 1
    nodes = [
        helper.make_node("MatMul", ["x", "select"], ["chosen"]),
        helper.make_node("Less", ["chosen", "thresholds"], ["holds"]),
        helper.make_node("Cast", ["holds"], ["tests"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["tests", "reach"], ["counts"]),
        helper.make_node("Sub", ["counts", "needed"], ["over"]),
        helper.make_node("Relu", ["over"], ["reached"]),
        helper.make_node("MatMul", ["reached", "said"], ["sum"]),
        helper.make_node("Add", ["sum", "bias"], ["y"]),
    ]
    constants = [constant("select", select), constant("thresholds", thresholds), constant("reach", reach)]
    constants += [constant("needed", needed), constant("said", said), constant("bias", np.reshape(bias, (1, -1)))]

    def run(x):
        holds = (x @ select < thresholds.astype(np.float32)).astype(np.float32)
        return np.maximum(holds @ reach - needed, 0) @ said + bias

    write(name, nodes, constants, rows(data), [1, said.shape[1]], run)


def attention(name, length=4, width=8):
    """One head over `length` tokens, with the residual and no normalisation."""
    rng = np.random.default_rng(SEED)
    weights = {k: (rng.normal(size=(width, width)) / np.sqrt(width)).astype(np.float32) for k in "qkvo"}
    scale = np.float32(1 / np.sqrt(width))
    nodes = [helper.make_node("MatMul", ["x", k], [f"x{k}"]) for k in "qkv"]
    nodes += [
        helper.make_node("Transpose", ["xk"], ["xkt"], perm=[1, 0]),
        helper.make_node("MatMul", ["xq", "xkt"], ["dots"]),
        helper.make_node("Mul", ["dots", "scale"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=1),
        helper.make_node("MatMul", ["shares", "xv"], ["mixed"]),
        helper.make_node("MatMul", ["mixed", "o"], ["out"]),
        helper.make_node("Add", ["x", "out"], ["y"]),
    ]
    constants = [*(constant(k, w) for k, w in weights.items()), constant("scale", [scale])]

    def run(x):
        q, k, v = (x @ weights[name] for name in "qkv")
        scores = np.exp(q @ k.T * scale)
        return x + scores / scores.sum(axis=1, keepdims=True) @ v @ weights["o"]

    samples = [rng.normal(size=(length, width)).astype(np.float32) for _ in range(SAMPLES)]
    write(name, nodes, constants, samples, [length, width], run)


diabetes = load_diabetes()
target = (diabetes.target - diabetes.target.mean()) / diabetes.target.std()
x = StandardScaler().fit_transform(diabetes.data)
model = LinearRegression().fit(x, target)
linear("linear-regression", x, model.coef_.reshape(1, -1), np.array([model.intercept_]))
boosted = GradientBoostingRegressor(n_estimators=10, max_depth=3, learning_rate=0.3, random_state=SEED).fit(x, target)
forest(
    "tree-ensemble-regression",
    x,
    [stage[0].tree_ for stage in boosted.estimators_],
    lambda tree, leaf: [boosted.learning_rate * tree.value[leaf][0][0]],
    target.mean(),
)
iris = load_iris()
z = StandardScaler().fit_transform(iris.data)
svm = LinearSVC(random_state=SEED).fit(z, iris.target)
linear("svm", z, svm.coef_, svm.intercept_)
trees = RandomForestClassifier(n_estimators=10, max_depth=3, random_state=SEED).fit(z, iris.target)
forest(
    "random-forest-iris",
    z,
    [tree.tree_ for tree in trees.estimators_],
    lambda tree, leaf: (tree.value[leaf][0] / tree.value[leaf][0].sum() / len(trees.estimators_)).tolist(),
    [0, 0, 0],
)
attention("attention")
