//! How weights and a model differ.

use std::fmt;

/// Most tensors of a kind that a message names.
const NAMED: usize = 5;

/// How weights and a model differ; never empty where it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Misfit {
    /// Tensors that the model needs and the weights lack.
    pub missing: Vec<String>,
    /// Tensors that the weights have and the model lacks.
    pub extra: Vec<String>,
    /// Tensors of another shape: name, the weights' shape, the model's.
    pub differing: Vec<(String, Vec<u32>, Vec<u32>)>,
}

impl Misfit {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.differing.is_empty()
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("they lack {}", few(&self.missing, |name| format!("`{name}`"))));
        }
        if !self.extra.is_empty() {
            let names = few(&self.extra, |name| format!("`{name}`"));
            parts.push(format!("they have {names}, which the model lacks"));
        }
        if !self.differing.is_empty() {
            parts.push(few(&self.differing, |(name, found, wanted)| {
                format!("`{name}` is {} and should be {}", sides(found), sides(wanted))
            }));
        }
        f.write_str(&parts.join("; "))
    }
}

impl std::error::Error for Misfit {}

fn sides(shape: &[u32]) -> String {
    let sides: Vec<_> = shape.iter().map(ToString::to_string).collect();
    if sides.is_empty() { "a single number".to_owned() } else { sides.join(" × ") }
}

/// The first of many, and how many there are besides.
fn few<T>(all: &[T], text: impl Fn(&T) -> String) -> String {
    let shown = all.iter().take(NAMED).map(text).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let missing = (0..7).map(|i| format!("t{i}")).collect();
        let misfit = Misfit { missing, ..Misfit::default() };
        assert_eq!(misfit.to_string(), "they lack `t0`, `t1`, `t2`, `t3`, `t4` and 2 more");
    }
}
