//! How a worker is started for a coordinator.

use std::path::Path;

use trust::{Published, default_state};

use super::text::quoted;

/// The command that starts a worker on the machine of a coordinator's state folder, in any of its user's shells.
pub(super) fn command(address: &str, state: &Path) -> String {
    command_beside(address, state, &default_state())
}

/// The command that starts a worker anywhere: a token lets it in.
pub(super) fn command_with(address: &str, token: &str) -> String {
    format!("{} --token {token}", bare(address))
}

/// Says how to start a worker for a coordinator: by a whole command where its state folder is this one, and lets its user's
/// workers in; anywhere else a worker needs a token.
pub(super) fn advice(address: &str, state: &Path) -> String {
    match Published::of_folder(state) {
        Some(published) if published.answers_at(address) => {
            format!("`{}` starts one", command(address, state))
        }
        _ => "`rung token create` on the coordinator's machine prints the line that starts one".to_owned(),
    }
}

/// A worker looks for what lets it in where no folder is named, so that the usual one need not be.
fn command_beside(address: &str, state: &Path, usual: &Path) -> String {
    // Wherever the other shell is, the folder is the same.
    let state = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    if state == usual {
        return bare(address);
    }
    format!("{} --state {}", bare(address), quoted(&state.to_string_lossy()))
}

fn bare(address: &str) -> String {
    format!("rung-worker --join {address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::embedded::Embedded;

    #[test]
    fn the_command_names_a_folder_that_is_not_the_usual_one() {
        let line =
            |state: &str| command_beside("127.0.0.1:7070", Path::new(state), Path::new("/home/ana/rung"));
        assert_eq!(line("/home/ana/rung"), "rung-worker --join 127.0.0.1:7070");
        assert_eq!(line("/tmp/st"), "rung-worker --join 127.0.0.1:7070 --state /tmp/st");
        assert_eq!(line("/tmp/a b"), "rung-worker --join 127.0.0.1:7070 --state '/tmp/a b'");
        let here = std::env::current_dir().unwrap().join("st");
        assert_eq!(line("st"), line(here.to_str().unwrap()));
    }

    #[tokio::test]
    async fn a_folder_of_another_coordinator_starts_no_worker() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("st");
        let (coordinator, remote) = Embedded::start(state.clone()).await.unwrap();
        let address = remote.address().to_owned();
        assert_eq!(
            advice(&address, &state),
            format!("`rung-worker --join {address} --state {}` starts one", state.display())
        );
        for (address, state) in [("192.0.2.1:7070", &*state), (&*address, folder.path())] {
            let said = advice(address, state);
            assert!(said.starts_with("`rung token create` on the coordinator's machine prints"), "{said}");
        }
        coordinator.stop().await.unwrap();
    }
}
