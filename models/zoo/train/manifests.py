"""The manifests of the two trained models: what people wrote of them, and the figures that training found."""


def breast_cancer(figures, names, mean, scale):
    return {
        "title": "Breast cancer (Wisconsin Diagnostic), 30-16-8-1 perceptron",
        "description": (
            "Tells malignant from benign breast masses by 30 measurements of cell nuclei in a fine needle aspirate. "
            "Trained on the Breast Cancer Wisconsin (Diagnostic) data by W. Wolberg, N. Street and O. Mangasarian "
            "(UCI Machine Learning Repository, CC BY 4.0), as scikit-learn ships it. A demonstration, not a medical device."
        ),
        "inputs": [tensor("x", [1, 30], "standard deviations", "The 30 features in the order of processing.pre.raw.names, each less its mean over the training part and divided by its standard deviation there.")],
        "outputs": [tensor("logit", [1, 1], "nats", "Log-odds that the mass is malignant.")],
        "processing": {
            "pre": {
                "raw": {"kind": "features", "names": names},
                "steps": [{"op": "standardise", "mean": mean, "scale": scale}],
                "tensors": [{"from": "value", "name": "x", "datatype": "FP32", "shape": [1, 30]}],
            },
            "post": {
                "output": "logit",
                "steps": [{"op": "sigmoid"}],
                "result": {"as": "threshold", "of": "malignant", "threshold": 0.5, "below": "benign", "atOrAbove": "malignant"},
            },
        },
        "accuracy": accuracy(figures, "Breast Cancer Wisconsin (Diagnostic), 569 cases"),
    }  # fmt: skip


def digits(figures):
    return {
        "title": "Handwritten digits, 8x8, small CNN",
        "description": (
            "Names the digit, 0 to 9, in an 8x8 image of handwriting, light strokes on a dark ground. Two 3x3 convolutions with "
            "average pooling and one linear layer. Trained on the test part of Optical Recognition of Handwritten Digits by "
            "E. Alpaydin and C. Kaynak (UCI Machine Learning Repository, CC BY 4.0), as scikit-learn ships it. Larger images are "
            "averaged down to 8x8, as the data's makers did with 32x32 bitmaps."
        ),
        "inputs": [tensor("image", [1, 1, 8, 8], "share of full ink", "Ink from 0 (none) to 1, rows from the top, each from the left.")],
        "outputs": [tensor("logits", [1, 10], "nats", "Unnormalised log-probabilities of the digits 0 to 9.")],
        "processing": {
            "pre": {
                "raw": {"kind": "image", "channels": 1},
                "steps": [{"op": "resize", "method": "area", "height": 8, "width": 8}, {"op": "channelsFirst"}],
                "tensors": [{"from": "value", "name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8]}],
            },
            "post": {
                "output": "logits",
                "steps": [{"op": "softmax"}],
                "result": {"as": "argmax", "labels": [str(digit) for digit in range(10)]},
            },
        },
        "accuracy": accuracy(figures, "Optical Recognition of Handwritten Digits, scikit-learn's 1797 images"),
    }  # fmt: skip


def tensor(name, shape, unit, meaning):
    return {"name": name, "datatype": "FP32", "shape": shape, "unit": unit, "meaning": meaning, "finite": True}


def accuracy(figures, dataset):
    split = (
        f"stratified, seed 20: {figures['trained']} to train on, {figures['heldOut']} held out, "
        f"of which {figures['correct']} right; one training run, nothing chosen by the held-out part"
    )
    return {"metric": "accuracy", "value": figures["accuracy"], "dataset": dataset, "split": split}
