use tfhe::conformance::ParameterSetConformant;
use tfhe::integer::IntegerCiphertext;
use tfhe::named::Named;
use tfhe::safe_serialization::{safe_deserialize_conformant, safe_serialize};
use tfhe::{FheBool, FheUint64, Unversionize, Versionize};

use crate::fault::Fault;
use crate::parameters::COMPUTE_PARAMETERS;

/// 32 blocks of 2,049 words of 8 bytes, and the serialiser's words about them.
const MAX_AMOUNT_BYTES: u64 = 640 * 1024;
/// One block.
const MAX_BIT_BYTES: u64 = 20 * 1024;

/// An amount: a `FheUint64` of the parameter set, each block masked.
pub(crate) fn read_amount(bytes: &[u8]) -> Result<FheUint64, Fault> {
    let amount: FheUint64 =
        read(bytes, MAX_AMOUNT_BYTES, &COMPUTE_PARAMETERS.into()).ok_or(Fault::CiphertextInvalid)?;
    refuse_trivial(&amount)?;
    Ok(amount)
}

pub(crate) fn read_bit(bytes: &[u8]) -> Result<FheBool, Fault> {
    let bit: FheBool =
        read(bytes, MAX_BIT_BYTES, &COMPUTE_PARAMETERS.into()).ok_or(Fault::CiphertextInvalid)?;
    if unmasked(&bit.clone().into_raw_parts()) {
        return Err(Fault::CiphertextTrivial);
    }
    Ok(bit)
}

/// A block without a mask is a plaintext, whatever noise it claims.
pub(crate) fn refuse_trivial(amount: &FheUint64) -> Result<(), Fault> {
    let (radix, ..) = amount.clone().into_raw_parts();
    if radix.blocks().iter().any(unmasked) {
        return Err(Fault::CiphertextTrivial);
    }
    Ok(())
}

fn unmasked(block: &tfhe::shortint::Ciphertext) -> bool {
    block.ct.get_mask().as_ref().iter().all(|word| *word == 0)
}

/// Exactly one object of this type: bounded, of the parameter set, nothing after it.
pub(crate) fn read<T>(mut bytes: &[u8], max_bytes: u64, parameters: &T::ParameterSet) -> Option<T>
where
    T: serde::de::DeserializeOwned + Unversionize + Named + ParameterSetConformant,
{
    if bytes.len() as u64 > max_bytes {
        return None;
    }
    let object = safe_deserialize_conformant(&mut bytes, max_bytes, parameters).ok()?;
    bytes.is_empty().then_some(object)
}

pub(crate) fn write<T>(object: &T, max_bytes: u64) -> Result<Vec<u8>, Fault>
where
    T: serde::Serialize + Versionize + Named,
{
    let mut bytes = Vec::new();
    safe_serialize(object, &mut bytes, max_bytes).map_err(|_| Fault::ComputationFailed)?;
    Ok(bytes)
}

pub(crate) fn write_amount(amount: &FheUint64) -> Result<Vec<u8>, Fault> {
    write(amount, MAX_AMOUNT_BYTES)
}

pub(crate) fn write_bit(bit: &FheBool) -> Result<Vec<u8>, Fault> {
    write(bit, MAX_BIT_BYTES)
}
