use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why an operation was refused. No text of the library goes out: it may tell of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The seed has not 32 bytes.
    SeedInvalid,
    /// A key does not parse, or is not of the parameter set.
    KeyInvalid,
    /// A ciphertext does not parse, is too large, or is not of the parameter set.
    CiphertextInvalid,
    /// A block of the ciphertext has no mask: anybody can read it.
    CiphertextTrivial,
    /// The proof does not show that the list encrypts one 64-bit amount under this metadata.
    ProofInvalid,
    /// Not 1 to `MAX_THREADS`.
    ThreadsInvalid,
    /// The library panicked or failed on input that had passed every check.
    ComputationFailed,
}

impl Fault {
    pub fn code(self) -> &'static str {
        match self {
            Self::SeedInvalid => "seed_invalid",
            Self::KeyInvalid => "key_invalid",
            Self::CiphertextInvalid => "ciphertext_invalid",
            Self::CiphertextTrivial => "ciphertext_trivial",
            Self::ProofInvalid => "proof_invalid",
            Self::ThreadsInvalid => "threads_invalid",
            Self::ComputationFailed => "computation_failed",
        }
    }
}

/// A panic of the library must end the operation, not the process.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::ComputationFailed))
}
