//! The values that one parameter may take.

use std::fmt;

use crate::{hparams::Scalar, random::Words, shown};

/// The largest whole number that every JSON reader keeps.
const WHOLE: i64 = (1 << 53) - 1;

/// The values that one parameter may take.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// One of a list.
    Choice(Vec<Scalar>),
    /// A whole number from `min` to `max`, both included, in steps of `step`.
    Int {
        /// The least value.
        min: i64,
        /// No value is above it.
        max: i64,
        /// The distance of neighbouring values, at least 1.
        step: i64,
        /// Whether draws are uniform in the logarithm.
        log: bool,
    },
    /// A real number from `min` to `max`.
    Float {
        /// The least value.
        min: f64,
        /// No value is above it.
        max: f64,
        /// The distance of neighbouring values; continuous where it is left out.
        step: Option<f64>,
        /// Whether draws are uniform in the logarithm.
        log: bool,
    },
}

impl Domain {
    /// How many values there are; none where they are continuous.
    pub fn len(&self) -> Option<u64> {
        match *self {
            Self::Choice(ref values) => Some(values.len() as u64),
            Self::Int { min, max, step, .. } => Some(max.abs_diff(min) / step.unsigned_abs().max(1) + 1),
            // The tolerance takes 0.0 to 0.3 in steps of 0.1 as four values, although 0.3 / 0.1 < 3.
            Self::Float { min, max, step: Some(step), .. } => {
                Some(((max - min) / step * (1.0 + 1e-9)) as u64 + 1)
            }
            Self::Float { min, max, step: None, .. } => (min == max).then_some(1),
        }
    }

    /// Whether there is no value at all; never so in a checked space.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The value at an index; the lower end where values are continuous.
    pub fn value(&self, index: u64) -> Scalar {
        match *self {
            Self::Choice(ref values) => values.get(index as usize).cloned().unwrap_or(Scalar::Int(0)),
            Self::Int { min, step, .. } => {
                Scalar::Int(min.saturating_add((index as i64).saturating_mul(step)))
            }
            Self::Float { min, max, step: Some(step), .. } => {
                Scalar::Float(short(min + index as f64 * step).clamp(min, max))
            }
            Self::Float { min, step: None, .. } => Scalar::Float(min),
        }
    }

    /// One of the values.
    ///
    /// Logarithms and powers come from the `libm` crate, so a seed draws the same bits on every platform.
    pub fn draw(&self, words: &mut Words) -> Scalar {
        match *self {
            Self::Int { min, max, log: true, .. } => {
                let value = log_uniform(words.unit(), min as f64, max as f64 + 1.0);
                Scalar::Int((value as i64).clamp(min, max))
            }
            Self::Float { min, max, log: true, .. } => {
                Scalar::Float(log_uniform(words.unit(), min, max).clamp(min, max))
            }
            Self::Float { min, max, step: None, .. } => {
                Scalar::Float((min + words.unit() * (max - min)).clamp(min, max))
            }
            _ => self.value(words.below_u64(self.len().unwrap_or(1).max(1))),
        }
    }

    /// A number as the domain has it, whole or real; anything else as it is.
    pub fn typed(&self, value: &Scalar) -> Scalar {
        match (self, value) {
            (Self::Float { .. }, &Scalar::Int(whole)) => Scalar::Float(whole as f64),
            (Self::Int { .. }, &Scalar::Float(real)) if real.fract() == 0.0 => Scalar::Int(real as i64),
            (Self::Choice(values), value) => {
                values.iter().find(|own| own.same(value)).unwrap_or(value).clone()
            }
            _ => value.clone(),
        }
    }

    /// Whether a value is one of the domain's.
    pub fn contains(&self, value: &Scalar) -> bool {
        match (self, value) {
            (Self::Choice(values), value) => values.contains(value),
            (&Self::Int { min, max, step, .. }, &Scalar::Int(value)) => {
                (min..=max).contains(&value) && (value - min) % step == 0
            }
            (&Self::Float { min, max, step, .. }, &Scalar::Float(value)) => {
                (min..=max).contains(&value)
                    && step.is_none_or(|step| {
                        self.value(((value - min) / step).round() as u64) == Scalar::Float(value)
                    })
            }
            _ => false,
        }
    }

    /// What is wrong with the domain, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        match *self {
            Self::Choice(ref values) => check_choice(values),
            Self::Int { min, max, step, log } => check_int(min, max, step, log),
            Self::Float { min, max, step, log } => check_float(min, max, step, log),
        }
    }
}

impl fmt::Display for Domain {
    /// Writes `one of 32, 64`, `a whole number from 2 to 6` or `a number from 0.0 to 0.5 in steps of 0.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(values) => {
                let values: Vec<String> = values.iter().map(Scalar::to_string).collect();
                write!(f, "one of {}", values.join(", "))
            }
            Self::Int { min, max, step: 1, .. } => write!(f, "a whole number from {min} to {max}"),
            Self::Int { min, max, step, .. } => {
                write!(f, "a whole number from {min} to {max} in steps of {step}")
            }
            Self::Float { min, max, step: None, .. } => write!(f, "a number from {min:?} to {max:?}"),
            Self::Float { min, max, step: Some(step), .. } => {
                write!(f, "a number from {min:?} to {max:?} in steps of {step:?}")
            }
        }
    }
}

/// What is wrong with a list of values, if anything.
fn check_choice(values: &[Scalar]) -> Result<(), String> {
    if values.is_empty() {
        return Err("`choice` lists no value".to_owned());
    }
    for (i, value) in values.iter().enumerate() {
        if value.as_f64().is_some_and(|value| !value.is_finite()) {
            return Err(format!("{value} is not finite"));
        }
        if let Scalar::Text(text) = value
            && let Some(flaw) = shown::flaw(text)
        {
            return Err(format!("value {i} of `choice` {flaw}"));
        }
        if values[..i].iter().any(|other| other.same(value)) {
            return Err(format!("`choice` lists {value} twice"));
        }
    }
    Ok(())
}

/// What is wrong with a range of whole numbers, if anything.
fn check_int(min: i64, max: i64, step: i64, log: bool) -> Result<(), String> {
    if min > max {
        return Err(format!("min {min} is above max {max}"));
    }
    if min < -WHOLE || max > WHOLE {
        return Err(format!("whole numbers must lie within ±{WHOLE}"));
    }
    if step < 1 {
        return Err(format!("step {step} is not above 0"));
    }
    if log && step != 1 {
        return Err("`log` and `step` exclude each other".to_owned());
    }
    if log && min < 1 {
        return Err(format!("`log` needs min above 0, not {min}"));
    }
    Ok(())
}

/// What is wrong with a range of real numbers, if anything.
fn check_float(min: f64, max: f64, step: Option<f64>, log: bool) -> Result<(), String> {
    if !(max - min).is_finite() {
        return Err("bounds and their distance must be finite".to_owned());
    }
    if min > max {
        return Err(format!("min {min:?} is above max {max:?}"));
    }
    if log && min <= 0.0 {
        return Err(format!("`log` needs min above 0, not {min:?}"));
    }
    let Some(step) = step else { return Ok(()) };
    if log {
        return Err("`log` and `step` exclude each other".to_owned());
    }
    if !step.is_finite() || step <= 0.0 {
        return Err(format!("step {step:?} is not above 0"));
    }
    // Values have 15 digits, and must differ.
    if (max - min) / step > 1e9 || step < 1e-12 * min.abs().max(max.abs()) {
        return Err(format!("step {step:?} makes too many values; leave it out"));
    }
    Ok(())
}

/// The number between two positive bounds at a share of the way in the logarithm.
fn log_uniform(share: f64, min: f64, max: f64) -> f64 {
    let (low, high) = (libm::log(min), libm::log(max));
    libm::exp(low + share * (high - low))
}

/// The nearest number of 15 decimal digits, so that 3 × 0.1 is 0.3; exact arithmetic, equal on every platform.
fn short(value: f64) -> f64 {
    format!("{value:.14e}").parse().unwrap_or(value)
}
