use super::*;

fn read(text: &str) -> Value {
    Node::from_yaml(text).unwrap().value
}

/// A document without places, so that documents from different texts compare.
fn bare(text: &str) -> Node {
    serde_json::from_str(text).unwrap()
}

#[test]
fn scalars_follow_the_core_schema() {
    for (text, value) in [
        ("~", Value::Null),
        ("True", Value::Bool(true)),
        ("yes", Value::Text("yes".to_owned())),
        ("-12", Value::Int(-12)),
        ("+007", Value::Int(7)),
        ("0x1F", Value::Int(31)),
        ("0o17", Value::Int(15)),
        ("1e-4", Value::Float(1e-4)),
        (".5", Value::Float(0.5)),
        ("-1.", Value::Float(-1.0)),
        ("9223372036854775807", Value::Int(i64::MAX)),
        ("1-2", Value::Text("1-2".to_owned())),
        ("1_000", Value::Text("1_000".to_owned())),
        ("2h", Value::Text("2h".to_owned())),
        ("infinity", Value::Text("infinity".to_owned())),
        ("'1'", Value::Text("1".to_owned())),
    ] {
        assert_eq!(read(text), value, "{text}");
    }
    for bad in [".inf", "-.Inf", ".NaN", "1e999", "9223372036854775808"] {
        assert!(Node::from_yaml(bad).is_err(), "{bad}");
    }
}

#[test]
fn places_are_those_of_keys_and_values() {
    let document = Node::from_yaml("# one\na: 1\nb:\n  - {c: [x, y]}\n").unwrap();
    let place = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        document.place_of(&path).cloned()
    };
    let at = |line, column| Some(Place::File { line, column });
    assert_eq!(place(&["a"]), at(2, 4));
    assert_eq!(place(&["b", "0", "c", "1"]), at(4, 13));
    assert_eq!(place(&["b", "0", "none", "1"]), at(4, 5), "the nearest around it");
    assert_eq!(place(&[]), at(2, 1));
}

#[test]
fn texts_are_quoted_where_a_reader_could_take_them_for_something_else() {
    for (text, yaml) in [
        ("mlp-small", "mlp-small"),
        ("layers >= 3", "layers >= 3"),
        ("no", "\"no\""),
        ("True", "\"True\""),
        ("null", "\"null\""),
        ("5m", "\"5m\""),
        ("", "\"\""),
        ("a: b", "\"a: b\""),
        ("a #b", "\"a #b\""),
        ("a ", "\"a \""),
        ("Zoë", "\"Zoë\""),
        ("\"\\\n", "\"\\\"\\\\\\U0000000A\""),
    ] {
        let node = Node::new(Value::Text(text.to_owned()));
        assert_eq!(node.to_yaml(), format!("{yaml}\n"));
        assert_eq!(read(yaml), node.value);
    }
}

#[test]
fn nested_mappings_are_blocks_and_short_ones_stand_inline() {
    let document = bare(r#"{"a": [{"b": {"c": [1.0, 1e-7]}, "d": null}, 2, {}], "e": {"f": "x"}, "g": []}"#);
    let yaml = "a:\n  - b: {c: [1.0, 1.0e-7]}\n    d: null\n  - 2\n  - {}\ne: {f: x}\ng: []\n";
    assert_eq!(document.to_yaml(), yaml);
    assert_eq!(Node::from_yaml(yaml).unwrap().to_yaml(), yaml);
    let long = Node::new(Value::List((0..40).map(|i| Node::new(Value::Int(i))).collect()));
    let entry = Entry { key: "long".to_owned(), key_place: None, node: long };
    assert!(Node::new(Value::Map(vec![entry])).to_yaml().starts_with("long:\n  - 0\n  - 1\n"));
}

#[test]
fn comments_open_blocks() {
    let document = bare(r#"{"a": {"b": 1}, "c": [{"b": 1}]}"#);
    let comment = |path: &[&str]| (path.last() == Some(&"b")).then(|| "first\nsecond".to_owned());
    let yaml = document.to_yaml_with(&Style { comment: &comment });
    assert_eq!(yaml, "a:\n  # first\n  # second\n  b: 1\nc:\n  - b: 1\n");
}
