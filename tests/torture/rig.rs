use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use tests::{
    Cluster,
    faults::{FailingSyncs, Network, SmallDisk, Traffic, WallClock, Wrapper, uptime},
};
use tokio::time::{sleep, timeout};

use crate::{corrupt, dice::Dice, fault::Fault, studies::WORKER, watch::Watch};

/// Seconds of a lease.
pub(crate) const LEASE: u32 = 2;

/// Mebibytes of the coordinator's disk.
const DISK: u32 = 64;

/// The machines that faults strike.
// Fields are dropped in this order: a mounted disk cannot be deleted, nor a network be left by those that are in it.
#[derive(Debug)]
pub(crate) struct Rig {
    disk: SmallDisk,
    /// The programs.
    pub(crate) cluster: Cluster,
    network: Network,
    clock: WallClock,
    /// Which of the cluster's workers runs on which machine now.
    machines: [usize; 3],
    /// What is seen meanwhile.
    pub(crate) watch: Watch,
}

impl Rig {
    /// A coordinator and three workers at work; none where this machine cannot, which is said.
    pub(crate) async fn build() -> Result<Option<Self>> {
        let Some(network) = Network::enter(3)? else { return Ok(None) };
        let cluster = Cluster::stopped(LEASE);
        let Some(disk) = SmallDisk::mount(&cluster.state(), DISK)? else { return Ok(None) };
        let Some(clock) = WallClock::new(cluster.folder())? else { return Ok(None) };
        let mut rig = Self { disk, cluster, network, clock, machines: [0; 3], watch: Watch::default() };
        rig.cluster.start_coordinator().await?;
        for machine in 0..3 {
            rig.start_worker(machine, &Wrapper::default())?;
        }
        Ok(Some(rig))
    }

    /// Looks on for a while.
    pub(crate) async fn look(&mut self, time: Duration) {
        self.watch.look(&self.cluster, time).await;
    }

    /// Lets a fault strike once, and heals it; returns how many times something was hit.
    pub(crate) async fn strike(&mut self, fault: Fault, dice: &mut Dice) -> Result<u32> {
        let machine = dice.below(3) as usize;
        if fault.wants_work() {
            self.until_busy(machine).await;
        }
        match fault {
            Fault::WorkerKill => self.kill_worker(machine, dice).await?,
            Fault::CoordinatorKill => self.kill_coordinator(dice).await?,
            Fault::TrainerKill => return self.kill_trainer(machine, dice),
            Fault::WorkerStop => {
                let worker = self.machines[machine];
                self.cluster.signal_worker(worker, Signal::SIGSTOP)?;
                self.look(dice.wait(2500, 4500)).await;
                self.cluster.signal_worker(worker, Signal::SIGCONT)?;
            }
            Fault::CoordinatorStop => {
                self.cluster.signal_coordinator(Signal::SIGSTOP)?;
                sleep(dice.wait(2500, 4000)).await;
                self.cluster.signal_coordinator(Signal::SIGCONT)?;
                self.watch.interrupted();
            }
            Fault::Cut => self.traffic(machine, Traffic::Cut, dice.wait(500, 7000)).await?,
            Fault::OneWay => {
                let traffic = dice.pick(&[Traffic::UpLost, Traffic::DownLost]);
                self.traffic(machine, traffic, dice.wait(500, 7000)).await?;
            }
            Fault::Flapping => return self.flap(machine, dice).await,
            Fault::Loss => {
                (0..3).try_for_each(|machine| self.network.set(machine, Traffic::Lossy(20)))?;
                self.look(dice.wait(2000, 5000)).await;
                (0..3).try_for_each(|machine| self.network.set(machine, Traffic::Flows))?;
            }
            Fault::Slow => {
                let traffic = Traffic::Slow(dice.pick(&[32, 64, 128]));
                (0..3).try_for_each(|machine| self.network.set(machine, traffic))?;
                self.look(dice.wait(2000, 5000)).await;
                (0..3).try_for_each(|machine| self.network.set(machine, Traffic::Flows))?;
            }
            Fault::Reset => self.network.reset(machine)?,
            Fault::DiskFull => {
                self.disk.fill()?;
                self.look(dice.wait(500, 4000)).await;
                self.disk.free()?;
            }
            Fault::Sync => return self.fail_syncs(dice).await,
            Fault::Clock => return self.shift_clocks(machine, dice).await,
            Fault::Corruption => return corrupt::strike(self, dice).await,
        }
        Ok(1)
    }

    /// Waits until a machine's worker is at work, or there is none for it.
    async fn until_busy(&mut self, machine: usize) {
        let worker = format!("w{}", self.machines[machine]);
        for _ in 0..30 {
            let connected = timeout(Duration::from_secs(1), self.cluster.connected()).await;
            let workers = connected.ok().and_then(Result::ok).unwrap_or_default();
            if workers.iter().any(|view| view.worker.as_str() == worker && !view.leases.is_empty()) {
                return;
            }
            self.look(Duration::from_millis(100)).await;
        }
    }

    /// Kills a worker and, after a while, starts another one on its machine.
    async fn kill_worker(&mut self, machine: usize, dice: &mut Dice) -> Result<()> {
        self.end_worker(machine)?;
        self.look(dice.wait(50, 1200)).await;
        self.start_worker(machine, &Wrapper::default())
    }

    async fn kill_coordinator(&mut self, dice: &mut Dice) -> Result<()> {
        self.cluster.kill_coordinator()?;
        self.watch.interrupted();
        sleep(dice.wait(0, 1200)).await;
        self.cluster.start_coordinator().await
    }

    fn kill_trainer(&self, machine: usize, dice: &mut Dice) -> Result<u32> {
        let signal = dice.pick(&[Signal::SIGKILL, Signal::SIGSEGV]);
        let trainers = self.cluster.trainers(self.machines[machine])?;
        // One may have ended by itself.
        Ok(trainers.into_iter().filter(|trainer| kill(*trainer, signal).is_ok()).count() as u32)
    }

    async fn traffic(&mut self, machine: usize, traffic: Traffic, time: Duration) -> Result<()> {
        self.network.set(machine, traffic)?;
        self.look(time).await;
        self.network.set(machine, Traffic::Flows)
    }

    async fn flap(&mut self, machine: usize, dice: &mut Dice) -> Result<u32> {
        const TIMES: u32 = 4;
        for _ in 0..TIMES {
            self.traffic(machine, Traffic::Cut, dice.wait(100, 900)).await?;
            self.look(dice.wait(100, 900)).await;
        }
        Ok(TIMES)
    }

    async fn fail_syncs(&mut self, dice: &mut Dice) -> Result<u32> {
        let every = 2 + dice.below(3) as u32;
        let failing = FailingSyncs::of(self.cluster.coordinator_id()?, every).await?;
        let failing = failing.context("strace was there")?;
        self.look(dice.wait(1000, 3000)).await;
        Ok(failing.failed()? as u32)
    }

    /// The coordinator comes back on a clock of its own, which then jumps; so does a worker.
    async fn shift_clocks(&mut self, machine: usize, dice: &mut Dice) -> Result<u32> {
        const SHIFTS: [i64; 6] = [-90_000_000, -86_400, -5, 5, 86_400, 90_000_000];
        self.clock.jump(dice.pick(&SHIFTS))?;
        let since = uptime(dice.pick(&[0, 3_600, 40_000_000]));
        self.cluster.serve_in(since.around(&self.clock.wrapper()));
        self.kill_coordinator(dice).await?;
        self.end_worker(machine)?;
        self.start_worker(machine, &self.clock.wrapper())?;
        for _ in 0..3 {
            self.look(dice.wait(200, 900)).await;
            self.clock.jump(dice.pick(&SHIFTS))?;
        }
        self.cluster.serve_in(Wrapper::default());
        self.kill_coordinator(dice).await?;
        self.look(Duration::from_secs(2)).await;
        // By a date that is years off, certificates do not hold and tokens have expired: whom a coordinator turned away for
        // that has ended, and is started again as a service manager would.
        for machine in 0..self.machines.len() {
            if self.cluster.worker_has_ended(self.machines[machine])? {
                self.end_worker(machine)?;
                self.start_worker(machine, &Wrapper::default())?;
            }
        }
        Ok(5)
    }

    fn end_worker(&mut self, machine: usize) -> Result<()> {
        let worker = self.machines[machine];
        self.cluster.kill_worker(worker)?;
        self.watch.died(format!("w{worker}"), Instant::now());
        Ok(())
    }

    fn start_worker(&mut self, machine: usize, inner: &Wrapper) -> Result<()> {
        let wrapper = self.network.worker(machine).around(inner);
        self.machines[machine] = self.cluster.start_worker_in(&wrapper, WORKER)?;
        Ok(())
    }

    /// Kills all workers: what comes next starts from what the coordinator has stored.
    pub(crate) async fn renew_workers(&mut self) -> Result<()> {
        (0..3).try_for_each(|machine| self.end_worker(machine))?;
        self.look(Duration::from_millis(500)).await;
        (0..3).try_for_each(|machine| self.start_worker(machine, &Wrapper::default()))
    }
}
