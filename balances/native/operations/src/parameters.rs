//! The one parameter set: 2 bits of message and 2 of carry a block, 128 bits of security.
use tfhe::shortint::ClassicPBSParameters;
use tfhe::shortint::parameters::v1_7::{
    V1_7_PARAM_KEYSWITCH_PKE_TO_SMALL_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128_ZKV2 as CASTING_KEY,
    V1_7_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as COMPUTE,
    V1_7_PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as ENCRYPTION,
};
use tfhe::shortint::parameters::{CompactPublicKeyEncryptionParameters, ShortintKeySwitchingParameters};
use tfhe::{Config, ConfigBuilder};

pub const PARAMETERS_NAME: &str = "V1_7_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128";

pub(crate) const COMPUTE_PARAMETERS: ClassicPBSParameters = COMPUTE;
pub(crate) const ENCRYPTION_PARAMETERS: CompactPublicKeyEncryptionParameters = ENCRYPTION;
const CASTING: ShortintKeySwitchingParameters = CASTING_KEY;

/// Of one bootstrapping, as the parameter set states it.
pub const LOG2_FAILURE_PROBABILITY: f64 = COMPUTE.log2_p_fail;
const _: () = assert!(LOG2_FAILURE_PROBABILITY <= -128.0);

/// Bits that one proof covers: one amount.
pub(crate) const AMOUNT_BITS: usize = 64;

/// Without the key for random numbers, which nothing here draws: it would double the evaluation key.
pub fn config() -> Config {
    builder().use_dedicated_oprf_key(false).build()
}

/// As node-tfhe's builder makes it.
pub(crate) fn config_with_random_numbers() -> Config {
    builder().build()
}

fn builder() -> ConfigBuilder {
    ConfigBuilder::with_custom_parameters(COMPUTE_PARAMETERS)
        .use_dedicated_compact_public_key_parameters((ENCRYPTION_PARAMETERS, CASTING))
}

/// Counts changes of what an operation computes: another number, other bytes.
pub const OPERATIONS_VERSION: u32 = 1;

/// Instruction sets of this processor that choose how the FFT computes, and with it the bytes of results.
pub fn instruction_sets() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    for (name, present) in [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512cd", is_x86_feature_detected!("avx512cd")),
        ("avx512dq", is_x86_feature_detected!("avx512dq")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("fma", is_x86_feature_detected!("fma")),
    ] {
        if present {
            found.push(name);
        }
    }
    #[cfg(target_arch = "aarch64")]
    found.push("neon");
    found
}
