//! The addon: each operation runs on a thread of Node's pool, never on the event loop's. An error's message is the fault's code.
mod job;

use std::sync::Arc;

use affidavit_balance_operations as operations;
use job::{Job, run};
use napi::bindgen_prelude::{AsyncTask, BigInt, Uint8Array};
use napi::{Error, Result};
use napi_derive::napi;

/// A panic's words may tell of the data.
#[napi_derive::module_init]
fn init() {
    std::panic::set_hook(Box::new(|_| {}));
}

#[napi(object)]
pub struct Description {
    pub parameters: String,
    /// Of the addon's own sequence of operations.
    pub operations_version: u32,
    pub instruction_sets: Vec<String>,
    /// log2 of the probability that a bootstrapping errs.
    pub log2_failure_probability: f64,
}

#[napi]
pub fn describe() -> Description {
    Description {
        parameters: operations::PARAMETERS_NAME.to_owned(),
        operations_version: operations::OPERATIONS_VERSION,
        instruction_sets: operations::instruction_sets()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        log2_failure_probability: operations::LOG2_FAILURE_PROBABILITY,
    }
}

#[napi(object)]
pub struct PublicKeys {
    pub evaluation_key: Uint8Array,
    pub public_key: Uint8Array,
    pub crs: Uint8Array,
}

#[napi]
pub fn generate_keys(seed: Uint8Array) -> AsyncTask<Job<PublicKeys>> {
    run(move || {
        let keys = operations::generate(&seed)?;
        Ok(PublicKeys {
            evaluation_key: keys.evaluation_key.into(),
            public_key: keys.public_key.into(),
            crs: keys.crs.into(),
        })
    })
}

#[napi]
pub struct SecretKey(Arc<operations::SecretKey>);

#[napi]
pub fn secret_key_from_seed(seed: Uint8Array) -> AsyncTask<Job<SecretKey>> {
    run(move || Ok(SecretKey(Arc::new(operations::SecretKey::from_seed(&seed)?))))
}

#[napi]
pub fn secret_key_from_bytes(bytes: Uint8Array) -> AsyncTask<Job<SecretKey>> {
    run(move || Ok(SecretKey(Arc::new(operations::SecretKey::from_bytes(&bytes)?))))
}

#[napi]
impl SecretKey {
    #[napi]
    pub fn to_bytes(&self) -> AsyncTask<Job<Uint8Array>> {
        let key = self.0.clone();
        run(move || Ok(key.to_bytes()?.into()))
    }

    #[napi]
    pub fn encrypt(&self, amount: BigInt) -> Result<AsyncTask<Job<Uint8Array>>> {
        let (key, amount) = (self.0.clone(), unsigned(&amount)?);
        Ok(run(move || Ok(key.encrypt(amount)?.into())))
    }

    #[napi]
    pub fn decrypt_amount(&self, amount: Uint8Array) -> AsyncTask<Job<BigInt>> {
        let key = self.0.clone();
        run(move || Ok(key.decrypt_amount(&amount)?.into()))
    }

    #[napi]
    pub fn decrypt_bit(&self, bit: Uint8Array) -> AsyncTask<Job<bool>> {
        let key = self.0.clone();
        run(move || key.decrypt_bit(&bit))
    }

    #[napi]
    pub fn same_amount(&self, one: Uint8Array, other: Uint8Array) -> AsyncTask<Job<bool>> {
        let key = self.0.clone();
        run(move || key.same_amount(&one, &other))
    }
}

#[napi]
pub struct Prover(Arc<operations::Prover>);

#[napi]
pub fn load_prover(public_key: Uint8Array, crs: Uint8Array) -> AsyncTask<Job<Prover>> {
    run(move || Ok(Prover(Arc::new(operations::Prover::load(&public_key, &crs)?))))
}

#[napi]
impl Prover {
    #[napi]
    pub fn prove(&self, amount: BigInt, metadata: Uint8Array) -> Result<AsyncTask<Job<Uint8Array>>> {
        let (prover, amount) = (self.0.clone(), unsigned(&amount)?);
        Ok(run(move || Ok(prover.prove(amount, &metadata)?.into())))
    }
}

#[napi(object)]
pub struct Debited {
    pub balance: Uint8Array,
    pub sufficient: Uint8Array,
    pub taken: Option<Uint8Array>,
}

impl From<operations::Debited> for Debited {
    fn from(debited: operations::Debited) -> Self {
        Self {
            balance: debited.balance.into(),
            sufficient: debited.sufficient.into(),
            taken: debited.taken.map(Into::into),
        }
    }
}

#[napi]
pub struct Evaluator(Arc<operations::Evaluator>);

#[napi]
pub fn load_evaluator(
    evaluation_key: Uint8Array,
    public_key: Uint8Array,
    crs: Uint8Array,
    threads: u32,
    niceness: u8,
) -> AsyncTask<Job<Evaluator>> {
    run(move || {
        let threads = threads as usize;
        let evaluator = operations::Evaluator::load(&evaluation_key, &public_key, &crs, threads, niceness)?;
        Ok(Evaluator(Arc::new(evaluator)))
    })
}

#[napi]
impl Evaluator {
    #[napi]
    pub fn verify_and_expand(&self, proven: Uint8Array, metadata: Uint8Array) -> AsyncTask<Job<Uint8Array>> {
        let evaluator = self.0.clone();
        run(move || Ok(evaluator.verify_and_expand(&proven, &metadata)?.into()))
    }

    #[napi]
    pub fn credit(&self, balance: Uint8Array, amount: Uint8Array) -> AsyncTask<Job<Uint8Array>> {
        let evaluator = self.0.clone();
        run(move || Ok(evaluator.credit(&balance, &amount)?.into()))
    }

    #[napi]
    pub fn credit_clear(&self, balance: Uint8Array, amount: BigInt) -> Result<AsyncTask<Job<Uint8Array>>> {
        let (evaluator, amount) = (self.0.clone(), unsigned(&amount)?);
        Ok(run(move || Ok(evaluator.credit_clear(&balance, amount)?.into())))
    }

    #[napi]
    pub fn debit(&self, balance: Uint8Array, amount: Uint8Array) -> AsyncTask<Job<Debited>> {
        let evaluator = self.0.clone();
        run(move || Ok(evaluator.debit(&balance, &amount)?.into()))
    }

    #[napi]
    pub fn debit_clear(&self, balance: Uint8Array, amount: BigInt) -> Result<AsyncTask<Job<Debited>>> {
        let (evaluator, amount) = (self.0.clone(), unsigned(&amount)?);
        Ok(run(move || Ok(evaluator.debit_clear(&balance, amount)?.into())))
    }
}

/// 0 to 2^64 - 1.
fn unsigned(amount: &BigInt) -> Result<u64> {
    match amount.get_u64() {
        (false, amount, true) => Ok(amount),
        _ => Err(Error::from_reason("amount_invalid")),
    }
}
