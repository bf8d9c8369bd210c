"""Writes the vectors of quantisation, difference and commitment, one case a file, by exact fractions and EZKL's own Poseidon.

    ~/.cache/affidavit/ezkl-*/bin/python proofs/vectors/make-vectors.py
"""

import json
import math
import os
import struct
from fractions import Fraction

import ezkl

FOLDER = os.path.dirname(os.path.abspath(__file__))
MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617


def write(name, case):
    with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
        json.dump(case, file, indent=2)
        file.write("\n")


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def nearest(exact):
    """Halves away from zero."""
    amount = math.floor(abs(exact) + Fraction(1, 2))
    return -amount if exact < 0 else amount


def quantise(name, value, scale):
    value = single(value)
    write(f"quantise-{name}", {"kind": "quantise", "value": value, "scale": scale, "q": nearest(Fraction(value) * 2**scale)})


def difference(name, value, q, scale):
    units = math.ceil(abs(Fraction(value) - Fraction(q, 2**scale)) * 10**9)
    case = {"kind": "difference", "value": value, "q": str(q), "scale": scale, "units": str(min(units, 2**64 - 2))}
    write(f"difference-{name}", case)


def felt(q):
    return (q % MODULUS).to_bytes(32, "little").hex()


def commit(name, tensors, salt, scale=8, input_range=2048, code=None, inputs=None):
    """`tensors`: name, shape, values, as they come; the circuit has them in the order of their names."""
    ordered = sorted(tensors, key=lambda tensor: tensor[0].encode())
    case = {
        "kind": "commit",
        "inputs": inputs or [{"name": name, "shape": shape} for name, shape, _ in ordered],
        "inputScale": scale,
        "inputRange": str(input_range),
        "tensors": [{"name": name, "shape": shape, "data": [single(v) for v in values]} for name, shape, values in tensors],
        "sCircuit": "0x" + b"".join(struct.pack("<H", each) for each in salt).hex(),
    }
    if code:
        write(f"commit-{name}", {**case, "code": code})
        return
    elements = [nearest(Fraction(single(v)) * 2**scale) for _, _, values in ordered for v in values] + salt
    (hash_hex,) = ezkl.poseidon_hash([felt(q) for q in elements])
    write(f"commit-{name}", {**case, "elements": elements, "circuitInput": "0x" + bytes.fromhex(hash_hex)[::-1].hex()})


quantise("zero", 0.0, 8)
quantise("half-up", 1.5 / 256, 8)
quantise("half-even-is-not-the-rule", 2.5 / 256, 8)
quantise("half-down", -0.5 / 256, 8)
quantise("below-half", 0.49999997 / 256, 8)
quantise("above-half", -0.50000006 / 256, 8)
quantise("third", 1 / 3, 9)
quantise("large", -12345.678, 14)
quantise("subnormal", 1e-40, 14)
difference("none", 0.5, 128, 8)
difference("rounded-up", 1 / 3, 85, 8)
difference("of-signs", -1.25, 320, 8)
difference("smallest", 5e-324, 0, 8)
difference("largest", 1e300, 0, 8)
difference("wide", 8.633645, 2210, 8)
SALT = [0, 1, 255, 256, 4660, 32768, 65534, 65535]
commit("one", [("x", [1, 4], [0.5, -1.25, 0.001953125, 7.9])], SALT)
commit("names-in-order", [("b", [2], [1.0, 2.0]), ("a", [1, 2], [-3.0, 4.0])], SALT)
commit("names-by-bytes", [("é", [1], [1.0]), ("z", [1], [2.0]), ("B", [1], [3.0])], SALT)
commit("no-salt", [("x", [1], [0.0])], [0] * 8)
commit("scalar", [("x", [], [-2.5])], SALT)
commit("at-the-range", [("x", [2], [8.0, -8.0])], SALT)
commit("out-of-range", [("x", [1], [8.01])], SALT, code="circuit_input_out_of_range")
commit("other-name", [("y", [1], [1.0])], SALT, code="circuit_shape_mismatch", inputs=[{"name": "x", "shape": [1]}])
commit("other-shape", [("x", [2, 1], [1.0, 1.0])], SALT, code="circuit_shape_mismatch", inputs=[{"name": "x", "shape": [1, 2]}])
commit("one-too-many", [("x", [1], [1.0]), ("y", [1], [1.0])], SALT, code="circuit_shape_mismatch", inputs=[{"name": "x", "shape": [1]}])
commit("short-salt", [("x", [1], [1.0])], SALT[:7], code="circuit_shape_mismatch")
