use super::*;

#[test]
fn conditions_read_what_they_write() {
    for text in [
        "layers >= 3",
        "layers != -2",
        "rate < 0.5",
        "on == true",
        "optimizer == adam",
        "optimizer in [adam, \"a, \\\"b\\\"\", \"1\", 2]",
    ] {
        assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
    }
    assert_eq!("layers>=3".parse::<Condition>().unwrap().to_string(), "layers >= 3");
    for bad in
        ["", "layers", "layers =", "layers >= ", "layers => 3", ">= 3", "a in []", "a in [1", "a == nan"]
    {
        assert!(bad.parse::<Condition>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_condition_that_can_hold_is_taken() {
    let float = |name: &str| format!("{name}: {{float: [0.5, 1.5]}}");
    for (when, fits) in [
        ("x == 1", true),
        ("x in [1, 9]", true),
        ("x > 1.5", false),
        ("x < 0.5", false),
        ("x == 2", false),
        ("x != 1", true),
        ("n >= 3.0", true),
        ("n == 2.0", true),
        ("n == 2.5", false),
        ("n > 3", false),
    ] {
        let space = format!("{{{}, n: {{int: [1, 3]}}, y: {{int: [0, 1], when: {when:?}}}}}", float("x"));
        let study = format!("{{name: a, model: formula, space: {space}}}");
        let read = crate::study::StudySpec::from_yaml(&study);
        assert_eq!(read.is_ok(), fits, "{when}: {read:?}");
    }
}

#[test]
fn numbers_compare_by_value_and_names_by_equality() {
    let holds = |text: &str, value: Scalar| text.parse::<Condition>().unwrap().test.passes(&value);
    assert!(holds("a >= 3", Scalar::Float(3.0)));
    assert!(!holds("a < 3", Scalar::Int(3)));
    assert!(holds("a in [1, 2.0]", Scalar::Int(2)));
    assert!(holds("a != adam", Scalar::Text("sgd".to_owned())));
    assert!(!holds("a == adam", Scalar::Text("sgd".to_owned())));
    assert!(!"a != 3".parse::<Condition>().unwrap().holds(&Hparams::default()));
}
