use std::{collections::BTreeSet, fmt, str::FromStr};

/// Highest core number that is believed; what Linux's fixed affinity mask holds.
const HIGHEST: usize = 1023;

/// A set of a machine's cores, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cores(Vec<usize>);

impl Cores {
    /// The cores of these numbers; none where there is no number.
    pub fn of(numbers: impl IntoIterator<Item = usize>) -> Option<Self> {
        let cores: BTreeSet<_> = numbers.into_iter().collect();
        if cores.is_empty() { None } else { Some(Self(cores.into_iter().collect())) }
    }

    /// The cores' numbers, ascending.
    pub fn numbers(&self) -> &[usize] {
        &self.0
    }

    /// The share of one of `slots` slots: as even as it goes, and shared in turn where there are more slots than cores.
    pub fn share(&self, slot: usize, slots: usize) -> Self {
        let count = self.0.len();
        if slots > count {
            return Self(vec![self.0[slot % count]]);
        }
        Self(self.0[slot * count / slots..(slot + 1) * count / slots].to_vec())
    }

    /// Those that are not among others; none where all are.
    pub fn without(&self, others: &Self) -> Option<Self> {
        Self::of(self.0.iter().copied().filter(|core| !others.0.contains(core)))
    }

    /// The cores for people, neighbours as a range: `0-3,8`.
    pub fn ranges(&self) -> String {
        let neighbours = self.0.chunk_by(|before, after| before + 1 == *after);
        let range = |cores: &[usize]| match cores {
            [first, .., last] => format!("{first}-{last}"),
            cores => cores.iter().map(usize::to_string).collect(),
        };
        neighbours.map(range).collect::<Vec<_>>().join(",")
    }
}

impl FromStr for Cores {
    type Err = InvalidCores;

    fn from_str(text: &str) -> Result<Self, InvalidCores> {
        let invalid = || InvalidCores(text.to_owned());
        let number =
            |text: &str| text.parse().ok().filter(|core: &usize| *core <= HIGHEST).ok_or_else(invalid);
        let mut cores = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(invalid());
            }
            cores.extend(first..=last);
        }
        Ok(Self(cores.into_iter().collect()))
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

/// A text that is no list of cores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no list of cores: use numbers from 0 to 1023 and ranges, for example 0-3,8")]
pub struct InvalidCores(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(cores: &str, slots: usize) -> Vec<String> {
        let cores: Cores = cores.parse().unwrap();
        (0..slots).map(|slot| cores.share(slot, slots).to_string()).collect()
    }

    #[test]
    fn lists_and_ranges_are_merged() {
        assert_eq!("8,0-2,1".parse::<Cores>().unwrap().to_string(), "0,1,2,8");
        for bad in ["", "1-", "3-1", "a", "0,,1", "-1", "1024"] {
            assert!(bad.parse::<Cores>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cores_are_told_as_they_are_given() {
        let cores = |text: &str| text.parse::<Cores>().unwrap();
        for text in ["0-3,8", "5", "0-1", "0,2,4-6"] {
            assert_eq!(cores(text).ranges(), text);
        }
        assert_eq!(cores("0-99").without(&cores("0,1,8")), Some(cores("2-7,9-99")));
        assert_eq!(cores("0,1").without(&cores("0-3")), None);
        assert_eq!((Cores::of([]), Cores::of([2, 0, 2])), (None, Some(cores("0,2"))));
    }

    #[test]
    fn every_slot_has_a_core_and_no_core_is_left_out() {
        assert_eq!(shares("0-3", 2), ["0,1", "2,3"]);
        assert_eq!(shares("4-6", 2), ["4", "5,6"]);
        assert_eq!(shares("4,5", 3), ["4", "5", "4"]);
        assert_eq!(shares("2", 1), ["2"]);
    }
}
