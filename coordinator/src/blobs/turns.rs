//! One at a time at each place.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use object_store::path::Path as StorePath;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Whose turn it is at each place where somebody is.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<StorePath, Weak<Turn<()>>>>);

impl Turns {
    /// Waits for the turn at a place, which lasts until the guard is dropped. Whoever came first is first.
    pub(super) async fn at(&self, place: &StorePath) -> OwnedMutexGuard<()> {
        self.turn(place).lock_owned().await
    }

    fn turn(&self, place: &StorePath) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let known = turns.get(place).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn: Arc<Turn<()>> = Arc::default();
            turns.insert(place.clone(), Arc::downgrade(&turn));
            turn
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn a_place_is_one_callers_at_a_time_and_forgotten_behind_the_last() {
        let (turns, here, there) = (Turns::default(), StorePath::from("a/b"), StorePath::from("a/c"));
        let first = turns.at(&here).await;
        let mut second = pin!(turns.at(&here));
        assert!(poll!(&mut second).is_pending());
        drop(turns.at(&there).await);
        drop(first);
        drop(second.await);
        drop(turns.at(&there).await);
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
