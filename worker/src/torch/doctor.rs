//! What libtorch is and finds on this host.

use std::fs;

use worker_ext::runtime;

use crate::trainer::TrainError;

/// Facts about libtorch and the host, for a worker's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The version of the libtorch that is loaded, for example `2.13.0`.
    pub libtorch: String,
    /// The version that this program was built for; another one must not be loaded.
    pub built_for: String,
    /// The widest instruction set that its kernels use here, for example `AVX512`.
    pub cpu_capability: String,
    /// Whether the processor multiplies bfloat16 matrices in hardware (AMX).
    pub amx: bool,
}

/// Asks libtorch and the host.
pub fn doctor() -> Result<Facts, TrainError> {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Ok(Facts {
        libtorch: runtime::version()?,
        built_for: runtime::BUILT_FOR.to_owned(),
        cpu_capability: runtime::cpu_capability()?,
        amx: processor.split_whitespace().any(|flag| flag == "amx_bf16"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_knows_libtorch_and_the_processor() {
        let facts = doctor().unwrap();
        assert_eq!(facts.libtorch, facts.built_for);
        assert!(!facts.cpu_capability.is_empty(), "{facts:?}");
    }
}
