// Found only where libtorch's own header of this name is not: `.cargo/config.toml` puts this folder last on the
// compiler's path, because torch-sys is compiled before a build script of ours can check anything. A missing file
// ends the compiler at once, where `#error` would let thousands of lines follow.
#include "libtorch 2.13.0 not found: run `cargo xtask setup`"
