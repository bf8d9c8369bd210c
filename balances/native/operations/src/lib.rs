//! Encrypted balances over bytes: every ciphertext, key and proof comes in and goes out serialised (tfhe `safe_serialize`),
//! and is held against the one parameter set before anything computes on it. Nothing here knows accounts or Node.
mod ciphertext;
mod evaluator;
mod fault;
mod keys;
mod parameters;
mod prover;

pub use evaluator::{Debited, Evaluator, MAX_THREADS};
pub use fault::{Fault, guarded};
pub use keys::{PublicKeys, SecretKey, generate};
pub use parameters::{
    LOG2_FAILURE_PROBABILITY, OPERATIONS_VERSION, PARAMETERS_NAME, config, instruction_sets,
};
pub use prover::Prover;
