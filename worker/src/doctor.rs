//! What this worker would train on, and whether it can.

use std::{collections::BTreeMap, env, io::Write};

use common::{study::ModelKind, view::DeviceFacts};
use data::Sources;
use serde::Serialize;
use tokio_util::task::TaskTracker;

use crate::{
    host,
    settings::{DoctorArgs, Output},
    slot::{Child, Launch},
};

/// What the doctor finds.
#[derive(Debug, Serialize)]
struct Findings {
    /// Rung's version.
    version: &'static str,
    /// Models that this program can train.
    models: Vec<&'static str>,
    /// Cores that it may use.
    cores: usize,
    /// What a trainer says of its device; none where it does not start.
    #[serde(flatten)]
    device: Option<DeviceFacts>,
    /// Why a trainer does not start.
    problem: Option<String>,
    /// Data sets that are on this machine.
    data: Vec<&'static str>,
    /// Those that are not, and why: studies of these are left to other workers.
    missing_data: BTreeMap<&'static str, String>,
}

/// Starts a trainer as a worker would and prints what it finds; false where the trainer does not start.
///
/// The trainer is a process of its own, so that a libtorch that crashes is a finding too.
pub async fn run(args: &DoctorArgs, to: &mut impl Write) -> anyhow::Result<bool> {
    let launch = Launch { program: env::current_exe()?, device: args.device, cores: None, data: None };
    let tracker = TaskTracker::new();
    let (device, problem) = match Child::start(&launch, &tracker).await {
        Ok((child, facts)) => {
            child.close().await;
            (Some(DeviceFacts { host: host::name(), ..facts }), None)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    tracker.close();
    tracker.wait().await;
    let trained =
        ModelKind::ALL.into_iter().filter(|kind| cfg!(feature = "torch") || *kind == ModelKind::Formula);
    let models = trained.map(ModelKind::as_str).collect();
    let (data, missing_data) = host::data_sets(&Sources::from_env());
    let (version, cores) = (env!("CARGO_PKG_VERSION"), host::cores());
    let findings = Findings { version, models, cores, device, problem, data, missing_data };
    match args.output {
        Output::Json => writeln!(to, "{}", serde_json::to_string_pretty(&findings)?)?,
        Output::Text => print(&findings, to)?,
    }
    Ok(findings.problem.is_none())
}

fn print(findings: &Findings, to: &mut impl Write) -> anyhow::Result<()> {
    let mut line =
        |name: &str, value: &str| writeln!(to, "{name:<14}{}", if value.is_empty() { "-" } else { value });
    line("rung-worker", findings.version)?;
    line("models", &findings.models.join(", "))?;
    line("cores", &findings.cores.to_string())?;
    if let Some(device) = &findings.device {
        line("host", &device.host)?;
        line("device", &device.device)?;
        line("name", &device.name)?;
        line("libtorch", &device.libtorch)?;
        line("instructions", &device.capability)?;
        line("memory", &format!("{:.1} GiB", device.memory_bytes as f64 / f64::from(1 << 30)))?;
    }
    line("data", &findings.data.join(", "))?;
    for problem in findings.missing_data.values() {
        line("no data", problem)?;
    }
    if let Some(problem) = &findings.problem {
        line("problem", problem)?;
    }
    Ok(())
}
