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
fn numbers_compare_by_value_and_names_by_equality() {
    let holds = |text: &str, value: Scalar| text.parse::<Condition>().unwrap().test.passes(&value);
    assert!(holds("a >= 3", Scalar::Float(3.0)));
    assert!(!holds("a < 3", Scalar::Int(3)));
    assert!(holds("a in [1, 2.0]", Scalar::Int(2)));
    assert!(holds("a != adam", Scalar::Text("sgd".to_owned())));
    assert!(!holds("a == adam", Scalar::Text("sgd".to_owned())));
    assert!(!"a != 3".parse::<Condition>().unwrap().holds(&Hparams::default()));
}
