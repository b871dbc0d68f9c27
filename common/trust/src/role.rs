use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What somebody may do in a cluster. The first three include one another; a worker's is a kind of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads studies, trials, objects and data sets.
    Viewer,
    /// Also starts, pauses and stops studies, drains workers and brings data.
    Operator,
    /// Also deletes, gives and takes access, and reads the audit log.
    Admin,
    /// Holds leases, and touches nothing but their trials.
    Worker,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Admin, Self::Worker];

    /// The role's name, as it is typed and as certificates say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Worker => "worker",
        }
    }

    /// Whether this role may do what `least` may. A worker's covers only itself.
    pub fn covers(self, least: Self) -> bool {
        match (self, least) {
            (Self::Worker, other) | (other, Self::Worker) => other == Self::Worker,
            (have, need) => have >= need,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: use viewer, operator, admin or worker")]
pub struct UnknownRole(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_include_one_another_and_workers_nobody() {
        let covers = |have: Role| Role::ALL.map(|least| have.covers(least));
        assert_eq!(covers(Role::Viewer), [true, false, false, false]);
        assert_eq!(covers(Role::Operator), [true, true, false, false]);
        assert_eq!(covers(Role::Admin), [true, true, true, false]);
        assert_eq!(covers(Role::Worker), [false, false, false, true]);
    }

    #[test]
    fn names_are_read_back() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
