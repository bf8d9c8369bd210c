"""Reads our AIR receipt with pycose, and our COSE receipt and transparent statement with scitt-cose, each also tampered with."""

import base64
import hashlib
import json
import sys
import urllib.request

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import CoseMessage, Sign1Message
from scitt_cose import extract_receipts, parse_signed_statement, verify_receipt

url, key, example = sys.argv[1:4]
NONCE = bytes(range(16))
CLAIMS = {1, 6, 7, 10, 265} | {-65537 - i for i in range(13)}


def check(condition, what):
    if not condition:
        sys.exit(f"cose: {what}")
    print(f"ok {what}")


def ask(path, body=None, headers=None):
    request = urllib.request.Request(url + path, data=body, headers={"Authorization": f"Bearer {key}", **(headers or {})})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), answer.headers


def holds(receipt, public_key):
    """Whether a decoder that is not ours reads the receipt and finds it signed."""
    try:
        message = CoseMessage.decode(receipt)
        message.key = OKPKey(crv=Ed25519, x=public_key)
        return isinstance(message, Sign1Message) and message.verify_signature()
    except Exception:  # a refusal is one, however it is said
        return False


with open(example, "rb") as file:
    sent = file.read()
headers = {"Content-Type": "application/json", "Affidavit-Challenge-Nonce": NONCE.hex()}
received, answer = ask("/v2/models/breast-cancer/infer", sent, headers)
receipt_id = answer["X-Receipt-Id"]
ask(f"/v1/receipts/{receipt_id}/inclusion?wait=inclusion")
bundle = json.loads(ask(f"/v1/receipts/{receipt_id}")[0])
keyset = json.loads(bundle["keyset"])

air, media = ask(f"/v1/receipts/{receipt_id}?format=air")
check(media["Content-Type"].startswith("application/eat+cwt"), "AIR has its media type")
air_key = bytes.fromhex(keyset["affidavit"]["receipt_air_key"])
check(holds(air, air_key), "pycose accepts our AIR receipt")
aci_key = bytes.fromhex(keyset["receipt_signing_keys"][0]["public_key"])
check(not holds(air, aci_key), "pycose refuses it under another key")
tampered = [air[:at] + bytes([air[at] ^ 1]) + air[at + 1 :] for at in range(0, len(air), 7)]
check(not any(holds(each, air_key) for each in tampered), f"pycose refuses {len(tampered)} tampered ones")

claims = cbor2.loads(CoseMessage.decode(air).payload)
check(set(claims) == CLAIMS, "the claims are the draft's")
check(cbor2.dumps(claims, canonical=True) == CoseMessage.decode(air).payload, "and in their order")
check(claims[10] == NONCE, "the nonce is ours")
check(claims[-65540] == hashlib.sha256(sent).digest(), "the request is what was sent")
check(claims[-65541] == hashlib.sha256(received).digest(), "the response is what was received")
quote = base64.b64decode(bundle["evidence"]["quote"])
check(claims[-65542] == hashlib.sha256(quote).digest(), "the attestation document is the bundle's quote")
check(claims[-65548] == "evaluation", "a simulated TEE calls itself an evaluation")

log_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keyset["affidavit"]["log"]["public_key"]))
pem = log_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
statement, _ = ask(f"/v1/receipts/{receipt_id}?format=scitt")
parsed = parse_signed_statement(statement, public_key_pem=pem)
check(parsed["signature_verified"] is True, "scitt-cose accepts the signed statement")
check(parsed["issuer"] == keyset["affidavit"]["log"]["origin"], "its issuer is the log")
check(parsed["subject"] == f"0x{receipt_id}", "its subject is the receipt")
leaf = cbor2.loads(statement).value[2]
check(leaf[2:34].hex() == receipt_id and len(leaf) == 131, "its payload is the leaf")
receipt, _ = ask(f"/v1/receipts/{receipt_id}?format=cose")
for each in (receipt, *extract_receipts(statement)):
    check(verify_receipt(each, leaf_entry_hex=leaf.hex(), log_public_key_pem=pem).ok, "scitt-cose accepts the COSE receipt")
    other = bytes([leaf[0]]) + bytes([leaf[1] ^ 1]) + leaf[2:]
    check(not verify_receipt(each, leaf_entry_hex=other.hex(), log_public_key_pem=pem).ok, "and refuses it for another leaf")
root = verify_receipt(receipt, leaf_entry_hex=leaf.hex(), log_public_key_pem=pem).root
changed = [receipt[:at] + bytes([receipt[at] ^ 1]) + receipt[at + 1 :] for at in range(0, len(receipt), 5)]
results = [verify_receipt(each, leaf_entry_hex=leaf.hex(), log_public_key_pem=pem) for each in changed]
# RFC 9942 signs the root; another tree size that leads to the same root says nothing else about the leaf.
check(not any(result.ok and result.root != root for result in results), f"and refuses {len(changed)} tampered ones")
