//! What comes from outside is read without a panic, whatever it is.

use common::{preset, study::StudySpec};
use proptest::prelude::*;
use prost::Message as _;
use proto::v1 as pb;
use trust::Subject;

fn example() -> String {
    preset::commented_example(&preset::preset("mlp").unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_a_study_or_an_error(text in "\\PC{0,300}|[a-z0-9: \\n{}\\[\\],\"'|>&*!%@`#?-]{0,300}") {
        let _ = StudySpec::from_yaml(&text);
        let _ = StudySpec::from_json(&text);
    }

    #[test]
    fn a_changed_study_is_a_study_or_an_error(changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let mut bytes = example().into_bytes();
        for (at, byte) in changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(spec) = StudySpec::from_yaml(&text) {
            // What is read is written so that it is read again as the same.
            prop_assert_eq!(StudySpec::from_json(&spec.to_json()), Ok(spec));
        }
    }

    #[test]
    fn any_bytes_are_a_certificate_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Subject::of_certificate(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_messages_or_errors(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = pb::WorkerMessage::decode(&bytes[..]);
        if let Ok(report) = pb::Report::decode(&bytes[..]) {
            let _ = crate::grpc::fuzzed_report(report);
        }
        if let Ok(name) = pb::ObjectName::decode(&bytes[..]) {
            let _ = crate::grpc::fuzzed_name(&name);
        }
    }
}

/// Deep nesting, long lines and aliases that grow: each ends with an error, soon.
#[test]
fn bombs_of_text_are_refused_in_time() {
    let started = std::time::Instant::now();
    let deep = format!("name: {}", "[".repeat(100_000));
    let long = format!("name: {}", "x".repeat(4 << 20));
    let laughs: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    let laughs = format!("a0: &a0 [1]\n{laughs}");
    for text in [deep, long, laughs] {
        assert!(StudySpec::from_yaml(&text).is_err());
        assert!(StudySpec::from_json(&text).is_err());
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
