//! Who may call what: one table, and nothing that is not in it.

use std::time::Duration;

use trust::Role;

use super::Caller;

/// What a caller needs for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// To be known, in whatever role.
    Name,
    /// This role, or one that covers it.
    Role(Role),
    /// A worker's token.
    JoinToken,
    /// A worker's certificate, which may have ended.
    Certificate,
}

impl Needs {
    /// Whether that is enough.
    pub fn admits(self, caller: &Caller) -> bool {
        match (self, caller) {
            (Self::Nothing, _) => true,
            (_, Caller::Anonymous) => false,
            (Self::JoinToken, caller) => matches!(caller, Caller::Joiner(_)),
            (_, Caller::Joiner(_)) => false,
            (Self::Certificate, caller) => caller.worker().is_some(),
            (_, Caller::Certified { ended: true, .. }) => false,
            (_, Caller::Local) | (Self::Name, _) => true,
            (Self::Role(least), caller) => caller.role().is_some_and(|role| role.covers(least)),
        }
    }
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its path, as HTTP has it.
    pub path: &'static str,
    /// What a caller needs.
    pub needs: Needs,
    /// How long it may take until its answer begins.
    pub time: Duration,
    /// Whether the audit log has it when it was allowed; refusals are there always.
    pub audited: Audited,
}

/// How often the audit log has a call that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {
    /// Not at all.
    Never,
    /// Once a minute for each caller: programs do it by themselves, over and over.
    Sparsely,
    /// Each time.
    Always,
}

/// The rule of a path; none where nobody may call it.
pub fn rule(path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.path == path)
}

/// Long enough for a slow disk, short enough that nothing waits for ever.
pub(crate) const USUAL: Duration = Duration::from_secs(60);
/// A deletion visits every checkpoint, a submission copies those of adopted trials.
pub(crate) const LONG: Duration = Duration::from_secs(600);
/// A gigabyte over a slow line; silence ends it much sooner.
pub(crate) const UPLOAD: Duration = Duration::from_secs(4 * 3600);

const fn read(path: &'static str, needs: Needs) -> Rule {
    Rule { path, needs, time: USUAL, audited: Audited::Never }
}

const fn act(path: &'static str, needs: Needs, time: Duration) -> Rule {
    Rule { path, needs, time, audited: Audited::Always }
}

const fn repeated(path: &'static str, needs: Needs) -> Rule {
    Rule { path, needs, time: USUAL, audited: Audited::Sparsely }
}

const VIEWER: Needs = Needs::Role(Role::Viewer);
const OPERATOR: Needs = Needs::Role(Role::Operator);
const ADMIN: Needs = Needs::Role(Role::Admin);
const WORKER: Needs = Needs::Role(Role::Worker);

/// Every call of every service. Routes of a page would stand here too.
pub const RULES: &[Rule] = &[
    read("/rung.v1.StudyService/ListStudies", VIEWER),
    read("/rung.v1.StudyService/GetStudy", VIEWER),
    read("/rung.v1.StudyService/WatchStudy", VIEWER),
    read("/rung.v1.StudyService/ListTrials", VIEWER),
    read("/rung.v1.StudyService/GetTrial", VIEWER),
    read("/rung.v1.StudyService/ReadHistory", VIEWER),
    read("/rung.v1.StudyService/GetBest", VIEWER),
    read("/rung.v1.StudyService/ReadObject", VIEWER),
    read("/rung.v1.StudyService/ListWorkers", VIEWER),
    read("/rung.v1.StudyService/ListData", VIEWER),
    read("/rung.v1.StudyService/ReadData", VIEWER),
    read("/rung.v1.StudyService/ListModels", VIEWER),
    act("/rung.v1.StudyService/SubmitStudy", OPERATOR, LONG),
    act("/rung.v1.StudyService/PauseStudy", OPERATOR, USUAL),
    act("/rung.v1.StudyService/ResumeStudy", OPERATOR, USUAL),
    act("/rung.v1.StudyService/StopStudy", OPERATOR, USUAL),
    act("/rung.v1.StudyService/DrainWorker", OPERATOR, USUAL),
    act("/rung.v1.StudyService/AddData", OPERATOR, UPLOAD),
    act("/rung.v1.StudyService/AddModel", OPERATOR, UPLOAD),
    act("/rung.v1.StudyService/DeleteStudy", ADMIN, LONG),
    act("/rung.v1.StudyService/RemoveData", ADMIN, USUAL),
    act("/rung.v1.StudyService/RemoveModel", ADMIN, USUAL),
    repeated("/rung.v1.WorkerService/Session", WORKER),
    Rule { path: "/rung.v1.WorkerService/PutObject", needs: WORKER, time: UPLOAD, audited: Audited::Never },
    read("/rung.v1.WorkerService/GetObject", WORKER),
    read("/rung.v1.WorkerService/GetData", WORKER),
    read("/rung.v1.WorkerService/GetModel", WORKER),
    act("/rung.v1.AccessService/Join", Needs::JoinToken, USUAL),
    repeated("/rung.v1.AccessService/Renew", Needs::Certificate),
    read("/rung.v1.AccessService/WhoAmI", Needs::Name),
    act("/rung.v1.AccessService/CreateToken", ADMIN, USUAL),
    read("/rung.v1.AccessService/ListTokens", ADMIN),
    act("/rung.v1.AccessService/RevokeToken", ADMIN, USUAL),
    act("/rung.v1.AccessService/RevokeWorker", ADMIN, USUAL),
    read("/rung.v1.AccessService/ReadAudit", ADMIN),
    // A probe has no credentials, and learns nothing but that something serves.
    read("/grpc.health.v1.Health/Check", Needs::Nothing),
    read("/grpc.health.v1.Health/Watch", VIEWER),
    read("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", VIEWER),
];
