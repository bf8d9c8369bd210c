/** NVIDIA's roots, pinned: of device identities, and of the reference integrity manifests; and the project's own, of both. */
import { fromBase64 } from "../../codec/index.ts";
import { parseCertificate } from "../verify/x509.ts";
import type { TrustRoot } from "./trust-root.ts";

/** CN=NVIDIA Device Identity CA, ECDSA P-384; NVIDIA ships it in nvtrust and attestation-sdk. */
export const NVIDIA_DEVICE_ROOT: TrustRoot = {
  name: "NVIDIA Device Identity CA",
  fingerprint: "102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48",
  simulated: false,
  certificate: parseCertificate(
    fromBase64(
      "MIICCzCCAZCgAwIBAgIQLTZwscoQBBHB/sDoKgZbVDAKBggqhkjOPQQDAzA1MSIwIAYDVQQDDBlOVklESUEgRGV2aWNlIElkZW50aXR5IENBMQ" +
        "8wDQYDVQQKDAZOVklESUEwIBcNMjExMTA1MDAwMDAwWhgPOTk5OTEyMzEyMzU5NTlaMDUxIjAgBgNVBAMMGU5WSURJQSBEZXZpY2UgSWRlbnRp" +
        "dHkgQ0ExDzANBgNVBAoMBk5WSURJQTB2MBAGByqGSM49AgEGBSuBBAAiA2IABA5MFKM7+KViZljbQSlgfky/RRnEQScW9NDZF8SXgAW96r6u/V" +
        "e8ZggtcYpPi2BS4VFu6KfEIrhN6FcHG7WP05W+oM+hxj7nyA1r1jkB2Ry70YfThX3Ba1zOryOP+MJ9vaNjMGEwDwYDVR0TAQH/BAUwAwEB/zAO" +
        "BgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFFeF/4PyY8xlfWi3Olv0jUrL+0lfMB8GA1UdIwQYMBaAFFeF/4PyY8xlfWi3Olv0jUrL+0lfMAoGCC" +
        "qGSM49BAMDA2kAMGYCMQCPeFM3TASsKQVaT+8S0sO9u97PVGCpE9d/I42IT7k3UUOLSR/qvJynVOD1vQKVXf0CMQC+EY55WYoDBvs2wPAH1Gw4" +
        "LbcwUN8QCff8bFmV4ZxjCRr4WXTLFHBKjbfneGSBWwA=",
    ),
  ),
};

/** CN=NVIDIA CoRIM signing Root CA, ECDSA P-384; NVIDIA ships it in nvtrust and attestation-sdk. */
export const NVIDIA_RIM_ROOT: TrustRoot = {
  name: "NVIDIA CoRIM signing Root CA",
  fingerprint: "12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1",
  simulated: false,
  certificate: parseCertificate(
    fromBase64(
      "MIICKTCCAbCgAwIBAgIQRdrjoA5QN73fh1N17LXicDAKBggqhkjOPQQDAzBFMQswCQYDVQQGEwJVUzEPMA0GA1UECgwGTlZJRElBMSUwIwYDVQ" +
        "QDDBxOVklESUEgQ29SSU0gc2lnbmluZyBSb290IENBMCAXDTIzMDMxNjE1MzczNFoYDzIwNTMwMzA4MTUzNzM0WjBFMQswCQYDVQQGEwJVUzEP" +
        "MA0GA1UECgwGTlZJRElBMSUwIwYDVQQDDBxOVklESUEgQ29SSU0gc2lnbmluZyBSb290IENBMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEuECyi9" +
        "vNM+Iw2lfUzyBldHAwaC1HF7TCgp12QcEyUTm3Tagxwr48d55+K2VIlWYIDk7NlAIQdcV/Ff7euGLI+Qauj93HsSI4WX298PpW54RTgz9tC+Q6" +
        "84caR/BXWEeZo2MwYTAdBgNVHQ4EFgQUpaXrOPK4ZDAk08DBskn594zeZjAwHwYDVR0jBBgwFoAUpaXrOPK4ZDAk08DBskn594zeZjAwDwYDVR" +
        "0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwMDZwAwZAIwHGDyscDP6ihHqRvZlI3eqZ4YkvjE1duaN84tAHRVgxVMvNrp" +
        "5Tnom3idHYGW/dskAjATvjIx6VzHm/4e2GiZAyZEIUBDOKPzp5ei/A0iUZpdvngenDwV8Qa/wGdiTmJ7Bp4=",
    ),
  ),
};

/** The root of simulated GPUs and of their manifests: its key is public (`attest/simulated-nvidia.ts`), so it proves nothing. */
export const SIMULATED_NVIDIA_ROOT: TrustRoot = {
  name: "Affidavit simulated NVIDIA root (development)",
  fingerprint: "fe336790b21dfd8ac86933e4473ff3ffd388c34b820e024a53a6d4e991e08ebd",
  simulated: true,
  certificate: parseCertificate(
    fromBase64(
      "MIICWTCCAd+gAwIBAgIQTJ77ZaeUpZxNbTTNEqRDmDAKBggqhkjOPQQDAzBcMSswKQYDVQQDDCJBZmZpZGF2aXQgU2ltdWxhdGVkIE5WSURJQS" +
        "BSb290IENBMS0wKwYDVQQKDCRBZmZpZGF2aXQgc2ltdWxhdGlvbiwgcHJvdmVzIG5vdGhpbmcwHhcNMjUwMTAxMDAwMDAwWhcNNDkxMjMxMjM1" +
        "OTU5WjBcMSswKQYDVQQDDCJBZmZpZGF2aXQgU2ltdWxhdGVkIE5WSURJQSBSb290IENBMS0wKwYDVQQKDCRBZmZpZGF2aXQgc2ltdWxhdGlvbi" +
        "wgcHJvdmVzIG5vdGhpbmcwdjAQBgcqhkjOPQIBBgUrgQQAIgNiAASTaS5REgJP/03BME1EKODXas383oQDP2JGUHu5ufRuziySO0uHCN4V5VEq" +
        "S39Yx02knB6hEaTGJAIfNFXzOpD832FPJ9LKK9H7b0raaXyS+ejssCsCbT7tKK+mB3OrmKujZjBkMB8GA1UdIwQYMBaAFMVPjlcZKSvAMYRcAu" +
        "oFlFcu820rMB0GA1UdDgQWBBTFT45XGSkrwDGEXALqBZRXLvNtKzAOBgNVHQ8BAf8EBAMCAQYwEgYDVR0TAQH/BAgwBgEB/wIBAjAKBggqhkjO" +
        "PQQDAwNoADBlAjEAi/lzE2SFigUe4PXnUfPM/+AZk8CsRKkQfOuYcaLMmxtNWxG7asC7B5wbwLwhKFi9AjBzzFSvNFpvkKBqmsfPykERO0gxHo" +
        "NHz/izugmV27MYQqsc3vyqMhc9kbHkFDx+8o8=",
    ),
  ),
};
