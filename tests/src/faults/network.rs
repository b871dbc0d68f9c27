//! A coordinator and workers on machines of their own, as far as the network knows: each in a namespace.

use std::{
    fs::{self, File},
    io::Write as _,
    process::{self, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    sched::{CloneFlags, setns},
    sys::signal::kill,
    unistd::Pid,
};

use super::{Wrapper, have_tools, run};

/// Where `ip netns` keeps names.
const NAMES: &str = "/run/netns";

/// The coordinator's side: what comes for its end of a cable is for its loopback address.
const HUB: &str = "
table ip rung {
  chain tunnel {
    type nat hook prerouting priority -100
    ip daddr 10.77.0.0/16 meta l4proto tcp dnat to 127.0.0.1
  }
}
";

/// A worker's side: what goes to its loopback address goes down the cable, as through a tunnel.
const SPOKE: &str = "
table ip rung {
  chain tunnel {
    type nat hook output priority -100
    ip daddr 127.0.0.1 meta l4proto tcp dnat to HUB
  }
  chain disguise {
    type nat hook postrouting priority 100
    oifname \"cable\" masquerade
  }
  chain out {
    type filter hook output priority 10
  }
  chain in {
    type filter hook input priority 10
  }
}
";

/// What happens to packets between a worker and the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// They arrive.
    Flows,
    /// None arrives.
    Cut,
    /// Those of the worker are lost: it hears the coordinator, and is not heard.
    UpLost,
    /// Those of the coordinator are lost: it hears the worker, and is not heard.
    DownLost,
    /// So many in a hundred are lost.
    Lossy(u32),
    /// Both ways take so many kilobits a second, and what comes faster waits, or is lost after 0.4 s.
    Slow(u32),
}

/// Namespaces for a coordinator and workers, joined by cables.
///
/// The calling thread is in the coordinator's as long as the value lives; what it starts is too.
#[derive(Debug)]
pub struct Network {
    names: Vec<String>,
    home: File,
}

impl Network {
    /// Makes a network with so many workers and enters it; none where this machine cannot, which is said.
    pub fn enter(workers: usize) -> Result<Option<Self>> {
        let tools = [("ip", "iproute2"), ("tc", "iproute2"), ("nft", "nftables"), ("nsenter", "util-linux")];
        if !have_tools(&tools) {
            return Ok(None);
        }
        forget_the_dead();
        static NETWORKS: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("rung-{}-{}", process::id(), NETWORKS.fetch_add(1, Ordering::Relaxed));
        let home = File::open("/proc/thread-self/ns/net")?;
        let mut network = Self { names: Vec::new(), home };
        network.add(format!("{prefix}-hub"), HUB)?;
        for worker in 0..workers {
            let name = format!("{prefix}-w{worker}");
            network.add(name.clone(), &SPOKE.replace("HUB", &format!("10.77.{worker}.1")))?;
            network.plug(worker, &name)?;
        }
        setns(File::open(format!("{NAMES}/{}", network.names[0]))?, CloneFlags::CLONE_NEWNET)?;
        Ok(Some(network))
    }

    /// Starts a program on a worker's machine.
    pub fn worker(&self, worker: usize) -> Wrapper {
        let net = format!("--net={NAMES}/{}", self.names[worker + 1]);
        Wrapper::program(&["nsenter", &net, "--"]).abroad()
    }

    /// Decides what happens to a worker's packets from now on.
    pub fn set(&self, worker: usize, traffic: Traffic) -> Result<()> {
        let lost = |chain: &str| format!("add rule ip rung {chain} meta l4proto tcp drop\n");
        let rules = match traffic {
            Traffic::Flows | Traffic::Slow(_) => String::new(),
            Traffic::Cut => lost("out") + &lost("in"),
            Traffic::UpLost => lost("out"),
            Traffic::DownLost => lost("in"),
            Traffic::Lossy(percent) => ["out", "in"].map(|chain| lossy(chain, percent)).concat(),
        };
        let script = format!("flush chain ip rung out\nflush chain ip rung in\n{rules}");
        nft(&self.names[worker + 1], &script)?;
        self.ends(worker).iter().try_for_each(|(name, end)| throttle(name, end, traffic))
    }

    /// The namespaces that a worker's cable joins, each with its end there.
    fn ends(&self, worker: usize) -> [(&str, String); 2] {
        [(&self.names[0], format!("hub{worker}")), (&self.names[worker + 1], "cable".to_owned())]
    }

    /// Resets a worker's connections; it may open others.
    pub fn reset(&self, worker: usize) -> Result<()> {
        let name = format!("--net={NAMES}/{}", self.names[worker + 1]);
        run("nsenter", &[&name, "ss", "--kill", "--tcp", "state", "established"])
    }

    fn add(&mut self, name: String, rules: &str) -> Result<()> {
        run("ip", &["netns", "add", &name])?;
        self.names.push(name.clone());
        run("ip", &["-n", &name, "link", "set", "lo", "up"])?;
        // Else the kernel takes loopback addresses on a cable for a mistake.
        let allow = "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet";
        run("nsenter", &[&format!("--net={NAMES}/{name}"), "sh", "-c", allow])?;
        nft(&name, rules)
    }

    /// Lays a cable between the coordinator's namespace and a worker's.
    fn plug(&self, worker: usize, name: &str) -> Result<()> {
        let (hub, end) = (&self.names[0], format!("hub{worker}"));
        let veth = ["type", "veth", "peer", "name", "cable", "netns", name];
        run("ip", &[&["link", "add", "name", &end, "netns", hub][..], &veth].concat())?;
        run("ip", &["-n", hub, "address", "add", &format!("10.77.{worker}.1/30"), "dev", &end])?;
        run("ip", &["-n", hub, "link", "set", &end, "up"])?;
        run("ip", &["-n", name, "address", "add", &format!("10.77.{worker}.2/30"), "dev", "cable"])?;
        run("ip", &["-n", name, "link", "set", "cable", "up"])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A thread that cannot go back has no more use for a network anyway.
        let _ = setns(&self.home, CloneFlags::CLONE_NEWNET);
        for name in &self.names {
            if let Err(error) = run("ip", &["netns", "delete", name]) {
                eprintln!("{error:#}");
            }
        }
    }
}

/// Lets one end of a cable send no faster than it is to be, or as fast as it can.
fn throttle(name: &str, end: &str, traffic: Traffic) -> Result<()> {
    let rate = match traffic {
        Traffic::Slow(kilobits) => format!("{kilobits}kbit"),
        // A queue of the kernel's own is there in any case, so that there is always something to replace.
        _ => return run("tc", &["-n", name, "qdisc", "replace", "dev", end, "root", "pfifo"]),
    };
    let bucket = ["tbf", "rate", &rate, "burst", "4kb", "latency", "400ms"];
    run("tc", &[&["-n", name, "qdisc", "replace", "dev", end, "root"][..], &bucket].concat())
}

fn lossy(chain: &str, percent: u32) -> String {
    format!("add rule ip rung {chain} meta l4proto tcp numgen random mod 100 < {percent} drop\n")
}

/// Applies rules in a namespace, all of them or none.
fn nft(name: &str, script: &str) -> Result<()> {
    let mut nft = Command::new("nsenter")
        .args([&format!("--net={NAMES}/{name}"), "/usr/sbin/nft", "-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    nft.stdin.take().context("nft reads its stdin")?.write_all(script.as_bytes())?;
    let output = nft.wait_with_output()?;
    ensure!(output.status.success(), "nft: {}{script}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Takes away what tests left behind that were killed.
fn forget_the_dead() {
    let names = fs::read_dir(NAMES).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix("rung-").and_then(|rest| rest.split('-').next()?.parse().ok());
        if owner.is_some_and(|owner| kill(Pid::from_raw(owner), None) == Err(Errno::ESRCH)) {
            // Another test may be faster.
            let _ = run("ip", &["netns", "delete", &name]);
        }
    }
}
