//! Lets the drill find libtorch at run time: it uses none, but has it in it where the worker beside it is built with it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(libtorch) = std::env::var("DEP_RUNG_WORKER_LIBTORCH") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}");
    }
}
