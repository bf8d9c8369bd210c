"""Verifies quotes with dcap-qvl: one JSON line a case on standard input, one a verdict on standard output."""

import json
import sys

import dcap_qvl

for line in sys.stdin:
    case = json.loads(line)
    try:
        collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(case["collateral"]))
        quote, root = bytes.fromhex(case["quote"]), bytes.fromhex(case["root"])
        report = dcap_qvl.verify_with_root_ca(quote, collateral, root, case["now"])
        verdict = {"status": report.status, "advisoryIds": report.advisory_ids}
    except Exception as error:  # every kind of refusal
        verdict = {"error": str(error)}
    print(json.dumps(verdict), flush=True)
