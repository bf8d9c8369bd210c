use rayon::{ThreadPool, ThreadPoolBuilder};
use tfhe::integer::ciphertext::IntegerProvenCompactCiphertextListConformanceParams as ProvenConformance;
use tfhe::prelude::*;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::{
    CompressedServerKey, FheTypes, FheUint64, ProvenCompactCiphertextList, ServerKey, set_server_key,
};

use crate::ciphertext::{read, read_amount, refuse_trivial, write_amount, write_bit};
use crate::fault::{Fault, guarded};
use crate::keys::MAX_EVALUATION_KEY_BYTES;
use crate::parameters::{ENCRYPTION_PARAMETERS, config, config_with_random_numbers};
use crate::prover::{MAX_PROVEN_BYTES, Prover};

pub const MAX_THREADS: usize = 64;

/// Computes on ciphertexts. The same operation on the same bytes gives the same bytes for one number of threads, one
/// version and one kind of processor.
pub struct Evaluator {
    prover: Prover,
    pool: ThreadPool,
}

/// What a debit leaves.
pub struct Debited {
    /// The balance less the amount where it was covered, else the same balance.
    pub balance: Vec<u8>,
    /// Whether the balance covered the amount: one encrypted bit.
    pub sufficient: Vec<u8>,
    /// The amount where it was covered, else zero; none where the amount is clear.
    pub taken: Option<Vec<u8>>,
}

impl Evaluator {
    /// @param niceness how far its threads stand back for the process's others, 0 to 19; Linux alone knows it by thread
    /// @param evaluation_key a `CompressedXofKeySet`, or a `CompressedServerKey` as node-tfhe makes it
    pub fn load(
        evaluation_key: &[u8],
        public_key: &[u8],
        crs: &[u8],
        threads: usize,
        niceness: u8,
    ) -> Result<Self, Fault> {
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(Fault::ThreadsInvalid);
        }
        guarded(|| {
            let server_key = read_server_key(evaluation_key).ok_or(Fault::KeyInvalid)?;
            let prover = Prover::load(public_key, crs)?;
            // The key is set where the work runs, once: operations that share the pool cannot take it from each other.
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("balances-{index}"))
                .start_handler(move |_| {
                    give_way(niceness);
                    set_server_key(server_key.clone());
                })
                .build()
                .map_err(|_| Fault::ComputationFailed)?;
            Ok(Self { prover, pool })
        })
    }

    /// The amount of a proven list, where the proof holds under `metadata` and the list holds one amount.
    pub fn verify_and_expand(&self, proven: &[u8], metadata: &[u8]) -> Result<Vec<u8>, Fault> {
        self.run(|| {
            let Prover { public_key, crs } = &self.prover;
            let wanted = ProvenConformance::from_crs_and_parameters(ENCRYPTION_PARAMETERS, crs);
            let list: ProvenCompactCiphertextList =
                read(proven, MAX_PROVEN_BYTES, &wanted).ok_or(Fault::ProofInvalid)?;
            if list.len() != 1 || list.get_kind_of(0) != Some(FheTypes::Uint64) {
                return Err(Fault::ProofInvalid);
            }
            let expanded = list
                .verify_and_expand(crs, public_key, metadata)
                .map_err(|_| Fault::ProofInvalid)?;
            let amount: Option<FheUint64> = expanded.get(0).map_err(|_| Fault::ProofInvalid)?;
            let amount = amount.ok_or(Fault::ProofInvalid)?;
            refuse_trivial(&amount)?;
            write_amount(&amount)
        })
    }

    /// Wraps above 2^64 - 1: whoever keeps the ledger bounds the supply.
    pub fn credit(&self, balance: &[u8], amount: &[u8]) -> Result<Vec<u8>, Fault> {
        self.run(|| write_amount(&(&read_amount(balance)? + &read_amount(amount)?)))
    }

    pub fn credit_clear(&self, balance: &[u8], amount: u64) -> Result<Vec<u8>, Fault> {
        self.run(|| write_amount(&(&read_amount(balance)? + amount)))
    }

    pub fn debit(&self, balance: &[u8], amount: &[u8]) -> Result<Debited, Fault> {
        self.run(|| {
            let (balance, amount) = (read_amount(balance)?, read_amount(amount)?);
            let sufficient = balance.ge(&amount);
            let taken = sufficient.scalar_select(&amount, 0u64);
            Ok(Debited {
                balance: write_amount(&(&balance - &taken))?,
                sufficient: write_bit(&sufficient)?,
                taken: Some(write_amount(&taken)?),
            })
        })
    }

    /// As `debit`, for an amount that everyone may know.
    pub fn debit_clear(&self, balance: &[u8], amount: u64) -> Result<Debited, Fault> {
        self.run(|| {
            let balance = read_amount(balance)?;
            let sufficient = balance.ge(amount);
            let rest = sufficient.select(&(&balance - amount), &balance);
            Ok(Debited {
                balance: write_amount(&rest)?,
                sufficient: write_bit(&sufficient)?,
                taken: None,
            })
        })
    }

    fn run<T: Send>(&self, work: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
        guarded(|| self.pool.install(|| guarded(work)))
    }
}

/// An operation keeps every core busy for seconds: whoever answers requests goes first.
fn give_way(niceness: u8) {
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
    #[cfg(target_os = "linux")]
    // SAFETY: on Linux this is of the calling thread alone, and a refusal changes nothing.
    unsafe {
        libc::nice(niceness.min(19).into());
    }
}

fn read_server_key(bytes: &[u8]) -> Option<ServerKey> {
    if let Some(keys) = read::<CompressedXofKeySet>(bytes, MAX_EVALUATION_KEY_BYTES, &config()) {
        return Some(keys.decompress().into_raw_parts().1);
    }
    let wanted = config_with_random_numbers().into();
    read::<CompressedServerKey>(bytes, MAX_EVALUATION_KEY_BYTES, &wanted).map(|key| key.decompress())
}
