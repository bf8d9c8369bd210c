use tfhe::core_crypto::prelude::*;
use tfhe::prelude::*;
use tfhe::safe_serialization::safe_deserialize;
use tfhe::shortint::AtomicPatternParameters;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::zk::{CompactPkeCrs, ZkMSBZeroPaddingBitCount};
use tfhe::{ClientKey, FheUint64, Tag, XofSeed};

use crate::ciphertext::{read_amount, read_bit, write, write_amount};
use crate::fault::{Fault, guarded};
use crate::parameters::{AMOUNT_BITS, COMPUTE_PARAMETERS, ENCRYPTION_PARAMETERS, config};

pub const SEED_BYTES: usize = 32;
pub(crate) const MAX_EVALUATION_KEY_BYTES: u64 = 128 << 20;
pub(crate) const MAX_PUBLIC_KEY_BYTES: u64 = 1 << 20;
pub(crate) const MAX_CRS_BYTES: u64 = 16 << 20;
const MAX_SECRET_KEY_BYTES: u64 = 1 << 20;

/// Of a key's bits, the share of ones that is refused as no work of chance (eprint 2025/699).
const MAX_HAMMING_WEIGHT: f64 = 0.8;
const SECURITY_BITS: u32 = 128;

/// What everyone may have: all three follow from the seed, byte for byte.
pub struct PublicKeys {
    /// Compressed: a `CompressedXofKeySet`, about 30 MB.
    pub evaluation_key: Vec<u8>,
    pub public_key: Vec<u8>,
    /// Who knows the seed can prove what is not so.
    pub crs: Vec<u8>,
}

fn key_set(seed: &[u8]) -> Result<(ClientKey, CompressedXofKeySet), Fault> {
    if seed.len() != SEED_BYTES {
        return Err(Fault::SeedInvalid);
    }
    let bound = NormalizedHammingWeightBound::new(MAX_HAMMING_WEIGHT).ok_or(Fault::ComputationFailed)?;
    CompressedXofKeySet::generate(config(), seed.to_vec(), SECURITY_BITS, bound, Tag::default())
        .map_err(|_| Fault::ComputationFailed)
}

/// @returns the public keys of a seed
pub fn generate(seed: &[u8]) -> Result<PublicKeys, Fault> {
    guarded(|| {
        let (_, keys) = key_set(seed)?;
        let (public_key, _) = keys.decompress().into_raw_parts();
        Ok(PublicKeys {
            evaluation_key: write(&keys, MAX_EVALUATION_KEY_BYTES)?,
            public_key: write(&public_key, MAX_PUBLIC_KEY_BYTES)?,
            crs: write(&reference_string(seed)?, MAX_CRS_BYTES)?,
        })
    })
}

/// As `CompactPkeCrs::from_config` makes it, but of the seed.
fn reference_string(seed: &[u8]) -> Result<CompactPkeCrs, Fault> {
    let parameters = ENCRYPTION_PARAMETERS;
    let bits = parameters.message_modulus.0 * parameters.carry_modulus.0;
    let seed = XofSeed::new(seed.to_vec(), *b"AFFD_CRS");
    CompactPkeCrs::new(
        parameters.encryption_lwe_dimension,
        LweCiphertextCount(AMOUNT_BITS.div_ceil(bits.ilog2() as usize)),
        parameters.encryption_noise_distribution,
        parameters.ciphertext_modulus,
        // With the bit of padding.
        bits * 2,
        ZkMSBZeroPaddingBitCount(1),
        &mut tfhe::core_crypto::commons::math::random::RandomGenerator::<DefaultRandomGenerator>::new(seed),
    )
    .map_err(|_| Fault::ComputationFailed)
}

/// The key that reads every balance.
pub struct SecretKey(ClientKey);

impl SecretKey {
    pub fn from_seed(seed: &[u8]) -> Result<Self, Fault> {
        guarded(|| Ok(Self(key_set(seed)?.0)))
    }

    /// A serialised `ClientKey` of the parameter set, such as node-tfhe's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        guarded(|| {
            let key: ClientKey =
                safe_deserialize(bytes, MAX_SECRET_KEY_BYTES).map_err(|_| Fault::KeyInvalid)?;
            let ours = AtomicPatternParameters::from(COMPUTE_PARAMETERS);
            if key.computation_parameters() != ours {
                return Err(Fault::KeyInvalid);
            }
            Ok(Self(key))
        })
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        guarded(|| write(&self.0, MAX_SECRET_KEY_BYTES))
    }

    pub fn encrypt(&self, amount: u64) -> Result<Vec<u8>, Fault> {
        guarded(|| write_amount(&FheUint64::encrypt(amount, &self.0)))
    }

    pub fn decrypt_amount(&self, amount: &[u8]) -> Result<u64, Fault> {
        guarded(|| Ok(read_amount(amount)?.decrypt(&self.0)))
    }

    pub fn decrypt_bit(&self, bit: &[u8]) -> Result<bool, Fault> {
        guarded(|| Ok(read_bit(bit)?.decrypt(&self.0)))
    }

    /// Whether two ciphertexts hold one amount.
    pub fn same_amount(&self, one: &[u8], other: &[u8]) -> Result<bool, Fault> {
        Ok(self.decrypt_amount(one)? == self.decrypt_amount(other)?)
    }
}
