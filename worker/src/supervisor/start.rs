//! From settings to running slots.

use std::sync::Arc;

use common::{ids::WorkerId, view::DeviceFacts};
use data::Sources;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::{
    backoff,
    error::WorkerError,
    host,
    session::messages::Identity,
    settings::Settings,
    slot::{self, Launch, Order, Shared, Slot, StartError},
};

/// Starts all slots; returns who this worker is, and where each slot takes its orders.
///
/// A first trainer looks at the device, which decides how many slots there are; it stays where it has the first slot's
/// cores.
pub(super) async fn slots(
    (settings, worker): (&Settings, &WorkerId),
    shared: &Arc<Shared>,
) -> Result<(Identity, Vec<mpsc::Sender<Order>>), WorkerError> {
    let alone = launch(settings, 0, 1);
    let (child, facts) =
        slot::start(&alone, &shared.tracker, &mut slot::respawn()).await.map_err(|error| match error {
            StartError::Unusable(reason) => WorkerError::Device(reason),
            StartError::Lost(reason) => WorkerError::Trainer(reason),
        })?;
    let count = count(settings, &facts);
    let mut warm = if alone == launch(settings, 0, count) {
        Some(child)
    } else {
        shared.tracker.spawn(child.close());
        None
    };
    let start = |number| {
        let (orders, inbox) = mpsc::channel(1);
        let launch = launch(settings, number, count);
        debug!(slot = number, ?launch, "slot started");
        shared.tracker.spawn(Slot { number, launch, shared: shared.clone() }.run(inbox, warm.take()));
        orders
    };
    let orders = (0..count).map(start).collect();
    let identity = Identity {
        worker: worker.clone(),
        incarnation: backoff::random(),
        device: DeviceFacts { host: host::name(), ..facts },
        slots: count as u32,
        data: data_sets(settings),
    };
    Ok((identity, orders))
}

/// Data sets that are on this machine; each is verified when a trainer opens it.
fn data_sets(settings: &Settings) -> Vec<String> {
    let mut sources = Sources::from_env();
    if let Some(folder) = &settings.data {
        sources = sources.with_folder(folder);
    }
    let (here, missing) = host::data_sets(&sources);
    for name in missing.keys() {
        warn!(data = name, "data set is not on this machine: its studies are left to other workers");
    }
    here.into_iter().map(str::to_owned).collect()
}

/// How many trials are trained at the same time.
fn count(settings: &Settings, facts: &DeviceFacts) -> usize {
    let on_gpu = facts.device.starts_with("cuda") || facts.device == "mps";
    let cores = settings.cores.as_ref().map_or_else(host::cores, |cores| cores.numbers().len());
    settings.slots.map_or(if on_gpu { 1 } else { cores }, |slots| slots as usize)
}

fn launch(settings: &Settings, number: usize, count: usize) -> Launch {
    Launch {
        program: settings.program.clone(),
        device: settings.device,
        cores: settings.cores.as_ref().map(|cores| cores.share(number, count)),
        data: settings.data.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &str) -> Settings {
        crate::settings::tests::settings(&args.split(' ').collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn slots_follow_the_device_and_the_cores() {
        let facts = |device: &str| DeviceFacts { device: device.to_owned(), ..DeviceFacts::default() };
        let four = settings("--join host:1 --cores 0-3");
        assert_eq!(count(&four, &facts("cpu")), 4);
        assert_eq!(count(&four, &facts("cuda:0")), 1);
        assert_eq!(count(&settings("--join host:1 --slots 3"), &facts("mps")), 3);
    }
}
