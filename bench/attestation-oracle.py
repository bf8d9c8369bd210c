"""Times dcap-qvl, the Rust verifier behind its Python binding.

The first line of standard input says what to verify, each further one how many times; each is answered by one line of
JSON with the fastest time.
"""

import json
import sys
import time

import dcap_qvl

setup = json.loads(sys.stdin.readline())
with open(setup["quote"], "rb") as file:
    quote = file.read()
with open(setup["collateral"], encoding="utf-8") as file:
    collateral = dcap_qvl.QuoteCollateralV3.from_json(file.read())
root = bytes.fromhex(setup["root"])
now = setup["now"]

for line in sys.stdin:
    fastest = None
    for _ in range(int(line)):
        begun = time.perf_counter_ns()
        report = dcap_qvl.verify_with_root_ca(quote, collateral, root, now)
        took = time.perf_counter_ns() - begun
        fastest = took if fastest is None else min(fastest, took)
    print(json.dumps({"ms": fastest / 1e6, "status": report.status}), flush=True)
