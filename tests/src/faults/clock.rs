use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{Wrapper, have_tools};

/// A wall clock that jumps, for the programs that are started by it.
#[derive(Debug)]
pub struct WallClock {
    offset: PathBuf,
    library: String,
}

impl WallClock {
    /// A clock that shows the right time, with its file in a folder; none where this machine cannot, which is said.
    pub fn new(folder: &Path) -> Result<Option<Self>> {
        let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
        if !have_tools(&[(&library, "libfaketime")]) {
            return Ok(None);
        }
        let clock = Self { offset: folder.join("clock"), library };
        clock.jump(0)?;
        Ok(Some(clock))
    }

    /// Sets it so many seconds off the right time.
    pub fn jump(&self, seconds: i64) -> Result<()> {
        // In one step: nobody reads half an offset.
        let next = self.offset.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n"))?;
        Ok(fs::rename(next, &self.offset)?)
    }

    /// Starts a program by this clock. Its monotonic clock is the right one.
    pub fn wrapper(&self) -> Wrapper {
        Wrapper::default()
            .variable("LD_PRELOAD", &self.library)
            .variable("FAKETIME_TIMESTAMP_FILE", self.offset.display())
            .variable("FAKETIME_NO_CACHE", 1)
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", 1)
    }
}

/// Starts a program whose monotonic clock is so many seconds ahead, as on a machine that was started earlier.
pub fn uptime(seconds: i64) -> Wrapper {
    let seconds = seconds.to_string();
    Wrapper::program(&["unshare", "--time", "--monotonic", &seconds, "--boottime", &seconds, "--"])
}
