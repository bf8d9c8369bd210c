use tfhe::core_crypto::prelude::LweCiphertextCount;
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad, new_compact_pke_crs_conformance_params};
use tfhe::{CompactPublicKey, ProvenCompactCiphertextList};

use crate::ciphertext::{read, write};
use crate::fault::{Fault, guarded};
use crate::keys::{MAX_CRS_BYTES, MAX_PUBLIC_KEY_BYTES};
use crate::parameters::{AMOUNT_BITS, ENCRYPTION_PARAMETERS};

pub(crate) const MAX_PROVEN_BYTES: u64 = 64 * 1024;

/// Encrypts amounts under the public key, with a proof that the encrypter knows them.
pub struct Prover {
    pub(crate) public_key: CompactPublicKey,
    pub(crate) crs: CompactPkeCrs,
}

impl Prover {
    pub fn load(public_key: &[u8], crs: &[u8]) -> Result<Self, Fault> {
        guarded(|| {
            let parameters = ENCRYPTION_PARAMETERS;
            let bits = (parameters.message_modulus.0 * parameters.carry_modulus.0).ilog2() as usize;
            let amounts = LweCiphertextCount(AMOUNT_BITS.div_ceil(bits));
            let wanted = new_compact_pke_crs_conformance_params(parameters, amounts)
                .map_err(|_| Fault::ComputationFailed)?;
            Ok(Self {
                public_key: read(public_key, MAX_PUBLIC_KEY_BYTES, &parameters).ok_or(Fault::KeyInvalid)?,
                crs: read(crs, MAX_CRS_BYTES, &wanted).ok_or(Fault::KeyInvalid)?,
            })
        })
    }

    /// The proof holds under this metadata alone.
    pub fn prove(&self, amount: u64, metadata: &[u8]) -> Result<Vec<u8>, Fault> {
        guarded(|| {
            let proven = ProvenCompactCiphertextList::builder(&self.public_key)
                .push(amount)
                .build_with_proof_packed(&self.crs, metadata, ZkComputeLoad::Proof)
                .map_err(|_| Fault::ComputationFailed)?;
            write(&proven, MAX_PROVEN_BYTES)
        })
    }
}
