use super::*;

/// The known-answer vectors of Random123 1.14, `kat_vectors`, lines `philox4x32 10`.
#[test]
fn philox_gives_the_published_vectors() {
    let vectors = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (counter, key, expected) in vectors {
        assert_eq!(philox4x32_10(counter, key), expected);
    }
}

#[test]
fn orders_are_permutations_that_differ_by_epoch() {
    let first = order(1, 0, 1000);
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
    assert_eq!(first, order(1, 0, 1000));
    assert_ne!(first, order(1, 1, 1000));
    assert_ne!(first, order(2, 0, 1000));
}

#[test]
fn coordinates_select_different_streams() {
    let base = Stream::new(7, Purpose::Dropout);
    let blocks =
        [base, base.layer(1), base.epoch(1), base.step(1), Stream::new(7, Purpose::Init)].map(|s| s.block(0));
    for (i, a) in blocks.iter().enumerate() {
        assert!(blocks[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn bounded_numbers_are_even() {
    let mut words = Stream::new(3, Purpose::Draw).words();
    let mut counts = [0u32; 6];
    for _ in 0..60_000 {
        counts[words.below(6) as usize] += 1;
    }
    assert!(counts.iter().all(|c| (9_600..10_400).contains(c)), "{counts:?}");
    assert!((0..1000).map(|_| words.unit()).all(|u| (0.0..1.0).contains(&u)));
}

/// Results depend on them, so they may never change.
#[test]
fn members_have_data_seeds_of_their_own() {
    let seeds: std::collections::BTreeSet<_> = (0..100).map(|member| data_seed(7, member)).collect();
    assert_eq!(seeds.len(), 100);
    assert!((0..100).all(|n| !seeds.contains(&trial_seed(7, n)) && data_seed(7, n) < 1 << 53));
    assert_eq!(data_seed(7, 0), 5_520_944_764_886_965);
}
