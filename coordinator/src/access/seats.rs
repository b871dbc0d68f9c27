//! How many connections there may be: in all, and of those that have proven nothing.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::limits;

/// All connections of a coordinator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    numbered: u64,
    /// Those that have proven nothing, oldest first.
    unproven: VecDeque<Newcomer>,
}

#[derive(Debug)]
struct Newcomer {
    number: u64,
    from: IpAddr,
    close: CancellationToken,
}

/// A connection's place; free again when the value is gone.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    number: u64,
    proven: bool,
}

impl Seats {
    /// A seat for a connection from an address; none where all are taken. Where too many have proven nothing, the oldest
    /// of them is closed: whoever is honest proves itself within a moment and is not kept out by those who wait.
    pub(crate) fn take(&self, from: IpAddr, close: &CancellationToken) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.count >= limits::CONNECTIONS {
            return None;
        }
        let from = network(from);
        let of_address = taken.unproven.iter().filter(|newcomer| newcomer.from == from).count();
        let oldest = if of_address >= limits::UNPROVEN_PER_ADDRESS {
            taken.unproven.iter().position(|newcomer| newcomer.from == from)
        } else {
            (taken.unproven.len() >= limits::UNPROVEN).then_some(0)
        };
        if let Some(newcomer) = oldest.and_then(|oldest| taken.unproven.remove(oldest)) {
            newcomer.close.cancel();
        }
        taken.count += 1;
        taken.numbered += 1;
        let number = taken.numbered;
        taken.unproven.push_back(Newcomer { number, from, close: close.clone() });
        Some(Seat { seats: self.clone(), number, proven: false })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Counts the connection among the proven ones.
    pub(crate) fn prove(&mut self) {
        if !self.proven {
            self.proven = true;
            self.seats.taken().unproven.retain(|newcomer| newcomer.number != self.number);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.count -= 1;
        if !self.proven {
            taken.unproven.retain(|newcomer| newcomer.number != self.number);
        }
    }
}

/// What is counted as one address: of IPv6 the network, since its hosts come for free.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(host: u8) -> IpAddr {
        [192, 0, 2, host].into()
    }

    #[test]
    fn the_oldest_that_has_proven_nothing_makes_room_and_no_other() {
        let seats = Seats::default();
        let taken: Vec<_> = (0..limits::UNPROVEN_PER_ADDRESS)
            .map(|_| {
                let close = CancellationToken::new();
                (seats.take(from(1), &close).unwrap(), close)
            })
            .collect();
        let mut taken: VecDeque<_> = taken.into();
        let other = CancellationToken::new();
        let _other = seats.take(from(2), &other).unwrap();
        taken[0].0.prove();
        let _free = seats.take(from(1), &CancellationToken::new()).unwrap();
        assert!(taken.iter().all(|(_, close)| !close.is_cancelled()), "the proven one made room");
        let _more = seats.take(from(1), &CancellationToken::new()).unwrap();
        let closed: Vec<_> = taken.iter().map(|(_, close)| close.is_cancelled()).collect();
        assert_eq!(closed.iter().position(|closed| *closed), Some(1));
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 1);
        assert!(!other.is_cancelled());
    }

    #[test]
    fn all_together_are_bounded() {
        let seats = Seats::default();
        let mut taken = Vec::new();
        for n in 0..limits::CONNECTIONS {
            let mut seat = seats.take(from((n % 100) as u8), &CancellationToken::new()).unwrap();
            seat.prove();
            taken.push(seat);
        }
        assert!(seats.take(from(1), &CancellationToken::new()).is_none());
        taken.pop();
        assert!(seats.take(from(1), &CancellationToken::new()).is_some());
    }

    #[test]
    fn neighbours_of_a_network_count_as_one() {
        let near: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
        assert_eq!(network(near[0]), network(near[1]));
        assert_ne!(network(near[0]), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), from(1));
    }
}
