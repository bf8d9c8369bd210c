//! The operations of a debit with nothing around them: for each line of standard input a line with the nanoseconds that
//! passed and those that all threads computed.
use std::io::{BufRead, Write};
use std::time::Instant;

use affidavit_balance_operations::config;
use rayon::ThreadPoolBuilder;
use tfhe::prelude::*;
use tfhe::{ClientKey, CompressedServerKey, FheUint64, set_server_key};

fn main() {
    let threads = std::env::args()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("give a number of threads");
    let client_key = ClientKey::generate(config());
    let server_key = CompressedServerKey::new(&client_key).decompress();
    let balance = FheUint64::encrypt(1u64 << 40, &client_key);
    let amount = FheUint64::encrypt(1_000u64, &client_key);
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(move |_| set_server_key(server_key.clone()))
        .build()
        .expect("a pool of threads");
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        line.expect("standard input");
        let (begun, begun_computed) = (Instant::now(), computed_nanos());
        let rest: FheUint64 = pool.install(|| {
            let sufficient = balance.ge(&amount);
            let taken = sufficient.scalar_select(&amount, 0u64);
            &balance - &taken
        });
        let elapsed = begun.elapsed().as_nanos();
        let computed = computed_nanos() - begun_computed;
        let left: u64 = rest.decrypt(&client_key);
        assert_eq!(left, (1 << 40) - 1_000);
        writeln!(out, "{elapsed} {computed}").expect("standard output");
        out.flush().expect("standard output");
    }
}

/// Processor time of this process so far, in nanoseconds.
fn computed_nanos() -> u128 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the call fills the structure, or fails and it is not read.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let nanos = |time: libc::timeval| time.tv_sec as u128 * 1_000_000_000 + time.tv_usec as u128 * 1_000;
    nanos(usage.ru_utime) + nanos(usage.ru_stime)
}
