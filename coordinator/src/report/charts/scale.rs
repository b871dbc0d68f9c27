/// A stretch of numbers that is laid along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// The least stretch of all finite values, with a little room; 0 to 1 where there is none.
    pub(super) fn around(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let bounds = finite.fold(None, |bounds: Option<(f64, f64)>, value| {
            Some(bounds.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let Some((low, high)) = bounds else { return Self { from: 0.0, to: 1.0 } };
        let room = if high > low { (high - low) * 0.06 } else { low.abs().max(1e-3) * 0.1 };
        Self { from: low - room, to: high + room }
    }

    /// Where a value is: 0 at the beginning, 1 at the end.
    pub(super) fn at(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }

    /// Round numbers inside, about so many.
    pub(super) fn ticks(&self, about: u32) -> Vec<f64> {
        let step = self.step(about);
        let first = (self.from / step - 1e-9).ceil() as i64;
        let last = (self.to / step + 1e-9).floor() as i64;
        (first..=last).map(|tick| tick as f64 * step).collect()
    }

    /// A tick's text: as many decimals as tell neighbours apart.
    pub(super) fn text(&self, tick: f64, about: u32) -> String {
        let decimals = (-self.step(about).log10().floor()).clamp(0.0, 9.0) as usize;
        format!("{tick:.decimals$}")
    }

    /// 1, 2 or 5 times a power of ten.
    fn step(&self, about: u32) -> f64 {
        let rough = ((self.to - self.from) / f64::from(about.max(1))).max(f64::MIN_POSITIVE);
        let power = 10_f64.powf(rough.log10().floor());
        let factors = [1.0, 2.0, 5.0, 10.0];
        factors.into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.99).unwrap_or(rough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale { from: 0.813, to: 0.887 };
        let texts: Vec<_> = scale.ticks(5).into_iter().map(|tick| scale.text(tick, 5)).collect();
        assert_eq!(texts, ["0.82", "0.84", "0.86", "0.88"]);
        let epochs = Scale { from: 0.0, to: 81.0 };
        assert_eq!(epochs.ticks(4), [0.0, 50.0]);
        assert_eq!(epochs.ticks(5), [0.0, 20.0, 40.0, 60.0, 80.0]);
    }

    #[test]
    fn any_values_have_a_stretch() {
        assert_eq!(Scale::around([f64::NAN].into_iter()), Scale { from: 0.0, to: 1.0 });
        let one = Scale::around([0.5].into_iter());
        assert!(one.from < 0.5 && one.to > 0.5 && (one.at(0.5) - 0.5).abs() < 1e-9);
        assert!(Scale::around([0.0].into_iter()).at(0.0).is_finite());
    }
}
