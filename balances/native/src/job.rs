use affidavit_balance_operations::{Fault, guarded};
use napi::bindgen_prelude::{AsyncTask, ToNapiValue, TypeName};
use napi::{Env, Error, Result, Task};

/// One operation, for a thread of Node's pool.
pub struct Job<T>(Option<Box<dyn FnOnce() -> std::result::Result<T, Fault> + Send>>);

pub fn run<T>(work: impl FnOnce() -> std::result::Result<T, Fault> + Send + 'static) -> AsyncTask<Job<T>>
where
    T: ToNapiValue + TypeName + Send + 'static,
{
    AsyncTask::new(Job(Some(Box::new(work))))
}

impl<T: ToNapiValue + TypeName + Send + 'static> Task for Job<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> Result<T> {
        let work = self.0.take().ok_or_else(|| fault(Fault::ComputationFailed))?;
        guarded(work).map_err(fault)
    }

    fn resolve(&mut self, _env: Env, output: T) -> Result<T> {
        Ok(output)
    }
}

fn fault(fault: Fault) -> Error {
    Error::from_reason(fault.code())
}
