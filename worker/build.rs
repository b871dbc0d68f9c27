//! Lets the worker's programs find libtorch at run time.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Set by torch-sys, which is a direct dependency for this alone; absent without the feature `torch`.
    let Ok(libtorch) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    // Where it was built against, and where an installation puts it: beside the program's folder, or in Rung's own there.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}");
    // For the programs of other crates that have this one in them: `DEP_RUNG_WORKER_LIBTORCH`.
    println!("cargo:libtorch={libtorch}");
    let origin = if cfg!(target_os = "macos") { "@loader_path" } else { "$ORIGIN" };
    for folder in ["lib", "lib/rung"] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{origin}/../{folder}");
    }
}
