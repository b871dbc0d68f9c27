use super::*;

fn table(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("table.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_table_has_its_labels_in_a_column() {
    let folder = folder();
    let text = "x,kind,y\n1,no,2\n3,yes,4\n5,no,6\n7,yes,8\n";
    let path = table(folder.path(), text);
    let by_kind = Reading { label: "kind".to_owned(), test_share: Some(0.5), ..reading(Format::Csv) };
    let Packed { dataset, .. } = read("mine", &path, &by_kind).unwrap();
    assert_eq!(dataset.classes, ["no", "yes"]);
    assert_eq!((dataset.train.count, dataset.test.count, dataset.train.width), (2, 2, 2));
    let Values::Features(features) = &dataset.train.values else { panic!("no table") };
    assert!(features.chunks(2).all(|row| row[0] + 1.0 == row[1]), "{features:?}");
    assert!(dataset.scale.is_some());

    fs::write(folder.path().join("train.csv"), text).unwrap();
    fs::write(folder.path().join("test.csv"), "x,kind,y\n9,yes,10\n").unwrap();
    assert!(problem(folder.path(), &by_kind).contains("it has a test part, so there is no share to draw"));
    let by_kind = Reading { test_share: None, ..by_kind };
    let Packed { dataset, .. } = read("mine", folder.path(), &by_kind).unwrap();
    assert_eq!((dataset.train.count, &dataset.test), (4, &Samples::table([1, 2], vec![9.0, 10.0], vec![1])));
    assert_eq!(dataset.columns, ["x", "y"]);
}

#[test]
fn tables_that_are_not_as_asked_for_are_refused_by_line_and_column() {
    let folder = folder();
    let refused = |text: &str| problem(&table(folder.path(), text), &reading(Format::Csv));
    assert!(
        refused("a,b\n1,2\n")
            .contains("it has no column `label`: name the column of labels with --label, one of a, b")
    );
    for bad in ["NaN", "inf", "", "x"] {
        let error = refused(&format!("a,b,label\n1,2,0\n1,{bad},0\n"));
        assert!(
            error.contains(&format!("line 3: column `b` is `{bad}`, which is no finite number")),
            "{error}"
        );
    }
    assert!(refused("a,label\n1,\n").contains("line 2: column `label` is ``, which is no label"));
    assert!(refused("a,label\n").contains("it has no row"));
    assert!(refused("a;label\n1;0\n").contains("its columns stand between `;`: write it with commas"));
    assert!(refused("a\tlabel\n1\t0\n").contains("its columns stand between `\\t`"));
    for (text, says) in [
        ("a,label\n1,0,3\n", "table.csv`: line 2 has 3 values, and the head 2 columns"),
        ("a,b,label\n1,2,0\n1\n", "table.csv`: line 3 has 1 value, and the head 3 columns"),
        ("", "table.csv`: it is empty: its first line is to name the columns"),
        ("\n\n", "table.csv`: it is empty: its first line is to name the columns"),
        ("\0\0{,label\n", "table.csv`: it is no text file"),
        (
            "a,label\n1,0\n2,0\n",
            "table.csv`: all its samples are of one class, `0`, so there is nothing to learn",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(says), "{error}");
    }
    for (bytes, says) in [
        (&b"\x89PNG\r\n\x1a\n\xff"[..], "table.csv`: it is no text file: save the table as CSV in UTF-8"),
        (b"a,label\n1,caf\xe9\n", "table.csv`: line 2 is no text in UTF-8"),
    ] {
        fs::write(folder.path().join("table.csv"), bytes).unwrap();
        let error = problem(&folder.path().join("table.csv"), &reading(Format::Csv));
        assert!(error.contains(says), "{error}");
    }
    for (text, at) in [(",a,label\n0,1,0\n", 1), ("a,label, \n1,0,2\n", 3), (",,label\n0,1,0\n", 1)] {
        let error = refused(text);
        let says =
            format!("column {at} has no name: name it or leave it out (pandas: to_csv(…, index=False))");
        assert!(error.contains(&says), "{error}");
    }
    let many = |label: fn(u32) -> String| -> String {
        let rows: String = (0..300).map(|row| format!("1,{}\n", label(row))).collect();
        refused(&format!("a,label\n{rows}"))
    };
    let most = "it has 300 classes, and 256 are the most";
    for numbers in [many(|row| row.to_string()), many(|row| format!("{row}.25"))] {
        let says = format!("{most}: each number is a class of its own, as regression is not supported");
        assert!(numbers.ends_with(&says), "{numbers}");
    }
    assert!(many(|row| format!("c{row}")).ends_with(most));
    let most_test = Reading { test_share: Some(0.8), ..reading(Format::Csv) };
    let error = problem(&table(folder.path(), "a,label\n1,0\n2,0\n3,1\n4,1\n"), &most_test);
    assert!(error.contains("the test part took all it has, a smaller --test-share leaves some"), "{error}");
    for share in [None, Some(0.9)] {
        let one_each = Reading { test_share: share, ..reading(Format::Csv) };
        let error = problem(&table(folder.path(), "a,label\n1,0\n2,1\n"), &one_each);
        let says =
            "each class has one sample, so none is left to test on, whatever --test-share says: add samples";
        assert!(error.contains(says), "{error}");
    }

    fs::write(folder.path().join("train.csv"), "a,label\n1,0\n2,1\n").unwrap();
    let test = |text: &str| {
        fs::write(folder.path().join("test.csv"), text).unwrap();
        problem(folder.path(), &reading(Format::Csv))
    };
    assert!(test("b,label\n1,0\n").contains("its columns are not those of"));
    assert!(test("a,label\n1,7\n").contains("row 1: label `7` does not occur among the training labels"));
}

#[test]
fn rows_without_labels_are_read_by_name_or_else_by_place() {
    let read = |text: &str, names: &[&str], width: usize| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        unlabelled(Path::new("rows.csv"), text.as_bytes(), (&names, width)).map_err(|error| error.to_string())
    };
    let rows = Ok(vec![(2, vec![1.0, 2.0]), (3, vec![3.0, 4.0])]);
    assert_eq!(read("b,id,a\n2,x,1\n4,,3\n", &["a", "b"], 2), rows);
    assert_eq!(read(",b,a,\n0,2,1,9\n1,4,3,9\n", &["a", "b"], 2), rows);
    assert_eq!(read("p,q\n1,2\n3,4\n", &[], 2), rows);
    for (text, names, says) in [
        ("a,c\n1,2\n", &["a", "b"][..], "it has no column `b`: the model takes a, b"),
        ("a,b,c\n1,2,3\n", &[][..], "it has 3 columns, and the model takes 2 features"),
        ("a,b\n1,x\n", &["a", "b"][..], "line 2: column `b` is `x`, which is no finite number"),
        ("a,b\n", &["a", "b"][..], "it has no row"),
        ("a,a\n1,2\n", &[][..], "two of its columns are called `a`"),
    ] {
        let problem = read(text, names, 2).unwrap_err();
        assert!(problem.contains(says), "{problem}");
    }
}

#[test]
fn numbers_that_are_infinite_once_standardised_are_refused_by_row_and_column() {
    let folder = folder();
    let number = |row| if row == 3 { "3.4e38" } else { "-3.4e38" };
    let text: String = (0..10).map(|row| format!("7,{},{}\n", number(row), row % 2)).collect();
    let path = table(folder.path(), &format!("a,b,label\n{text}"));
    for seed in 0..4 {
        let drawn = Reading { seed: Some(seed), ..reading(Format::Csv) };
        let error = problem(&path, &drawn);
        assert!(error.contains("table.csv`: row 4, column `b`: 3.4e38 is too far from"), "{error}");
    }
    fs::write(folder.path().join("train.csv"), "a,label\n-3e38,0\n-3e38,1\n").unwrap();
    fs::write(folder.path().join("test.csv"), "a,label\n1,0\n3e38,1\n").unwrap();
    let error = problem(folder.path(), &reading(Format::Csv));
    assert!(error.contains("row 2 of the test part, column `a`: 3e38 is too far from"), "{error}");
}

#[test]
fn rows_bear_the_line_in_which_they_begin_as_an_editor_numbers_it() {
    let lines = |text: &str| -> Vec<u64> {
        let rows = unlabelled(Path::new("rows.csv"), text.as_bytes(), (&["a".to_owned()], 1)).unwrap();
        rows.into_iter().map(|(line, _)| line).collect()
    };
    for (text, numbers) in [
        ("a,b\n1,2\n3,4\n", &[2, 3][..]),
        ("a,b\n1,2\n3,4", &[2, 3]),
        ("a,b\n\n1,2\n\n\n3,4\n\n", &[3, 6]),
        ("\n\na,b\n1,2\n", &[4]),
        ("a,b\n1,\"x\ny\"\n3,4\n", &[2, 4]),
        ("\"a\",\"b\nc\"\n1,2\n", &[3]),
    ] {
        for ends in ["\n", "\r\n", "\r"] {
            for start in ["", "\u{feff}"] {
                // What stands before the head is a line of its own then.
                let start = if text.starts_with('\n') { "" } else { start };
                let text = format!("{start}{}", text.replace('\n', ends));
                assert_eq!(lines(&text), numbers, "{text:?}");
            }
        }
    }
    let long: String = (0..5000).map(|row| format!("{row},a text of some length\r\n")).collect();
    assert_eq!(lines(&format!("a,b\r\n{long}")), (2..5002).collect::<Vec<u64>>());

    let folder = folder();
    for ends in ["\n", "\r\n"] {
        for (text, says) in [
            ("a,label\n1,0\nfoo,1\n", "line 3: column `a` is `foo`, which is no finite number"),
            ("a,label\n1,0\n\n1\n", "line 4 has 1 value, and the head 2 columns"),
        ] {
            let text = text.replace('\n', ends);
            let error = problem(&table(folder.path(), &text), &reading(Format::Csv));
            assert!(error.contains(says), "{error}");
        }
        let path = folder.path().join("latin.csv");
        fs::write(&path, [b"a,label", ends.as_bytes(), b"1,caf\xe9", ends.as_bytes()].concat()).unwrap();
        let error = problem(&path, &reading(Format::Csv));
        assert!(error.contains("latin.csv`: line 2 is no text in UTF-8"), "{error}");
    }
}
