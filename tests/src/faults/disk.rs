use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

use super::{have_tools, run};

/// A disk of its own in memory, which only the calling thread and what it starts can see.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a disk of so many mebibytes on a folder; none where this machine cannot, which is said.
    pub fn mount(folder: &Path, mebibytes: u32) -> Result<Option<Self>> {
        if !have_tools(&[("mount", "mount")]) {
            return Ok(None);
        }
        fs::create_dir_all(folder)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        run("mount", &["--make-rprivate", "/"])?;
        let path = folder.display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=700"), "tmpfs", &path])?;
        Ok(Some(Self(folder.to_owned())))
    }

    /// Fills it to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        for block in [vec![0; 1 << 16], vec![0; 1 << 9]] {
            loop {
                match ballast.write(&block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives back what filled it.
    pub fn free(&self) -> Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = run("umount", &["--lazy", &self.0.display().to_string()]) {
            eprintln!("{error:#}");
        }
    }
}
