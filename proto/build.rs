//! Compiles the protocol without protoc, into `OUT_DIR`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 6] = [
    "rung/v1/study.proto",
    "rung/v1/trial.proto",
    "rung/v1/study_service.proto",
    "rung/v1/worker_service.proto",
    "rung/v1/trainer.proto",
    "rung/v1/access_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=rung");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().btree_map(".").bytes(".").compile_fds(descriptors)?;
    Ok(())
}
