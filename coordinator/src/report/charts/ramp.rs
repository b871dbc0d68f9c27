use common::metrics::Goal;

/// Steps of colour, from the worst values to the best; the style has a class for each: `v0` to `v8`.
const STEPS: usize = 9;

/// Which colour a value has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct Ramp {
    worst: f64,
    best: f64,
}

impl Ramp {
    /// A ramp over these values. It begins at the worst but a tenth, so that a few failures do not take all colours.
    pub(in crate::report) fn new(values: impl Iterator<Item = f64>, goal: Goal) -> Self {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(|a, b| goal.compare(*a, *b));
        let best = values.first().copied().unwrap_or(1.0);
        let worst = values.get((values.len() * 9 / 10).min(values.len().saturating_sub(1))).copied();
        Self { worst: worst.unwrap_or(0.0), best }
    }

    /// The class of a value.
    pub(in crate::report) fn class(&self, value: f64) -> &'static str {
        const CLASSES: [&str; STEPS] = ["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8"];
        CLASSES[self.step(value)]
    }

    /// The step of a value, from 0.
    pub(super) fn step(&self, value: f64) -> usize {
        let span = self.best - self.worst;
        let share = if span == 0.0 { 1.0 } else { (value - self.worst) / span };
        ((share * STEPS as f64) as usize).min(STEPS - 1)
    }

    /// Whether all values are one.
    pub(super) fn is_flat(&self) -> bool {
        self.worst == self.best
    }

    /// The steps' classes and the values at which they begin, the worst first; one step where all values are one.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let value = |step: usize| self.worst + (self.best - self.worst) * step as f64 / STEPS as f64;
        let count = if self.is_flat() { 1 } else { STEPS };
        (0..count).map(move |step| (self.class(value(step) + (self.best - self.worst) * 1e-6), value(step)))
    }

    /// The best value.
    pub(super) fn best(&self) -> f64 {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_value_has_the_last_colour_whatever_the_goal() {
        let values = || (0..=100).map(f64::from).chain([f64::NAN]);
        let high = Ramp::new(values(), Goal::Maximize);
        assert_eq!((high.class(100.0), high.class(10.0), high.class(0.0)), ("v8", "v0", "v0"));
        let low = Ramp::new(values(), Goal::Minimize);
        assert_eq!((low.class(0.0), low.class(90.0), low.class(100.0)), ("v8", "v0", "v0"));
        let classes: Vec<_> = high.steps().map(|(class, _)| class).collect();
        assert_eq!(classes, ["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8"]);
        let flat = Ramp::new([0.5].into_iter(), Goal::Maximize);
        assert_eq!((flat.class(0.5), flat.steps().collect()), ("v8", vec![("v8", 0.5)]));
        assert_eq!(Ramp::new([].into_iter(), Goal::Maximize).class(0.5), "v4");
    }
}
