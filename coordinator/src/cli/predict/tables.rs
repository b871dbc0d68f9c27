//! Rows of tables as what a model takes.

use std::{fs::File, io, path::Path};

use common::model_file::Features;
use data::unlabelled;

use super::{super::failure::Failure, Named};

/// Reads the rows of everything that is named; each bears its file and line.
pub(super) fn read(features: &Features, sources: &[String]) -> Result<Named, Failure> {
    let mut rows = Named::default();
    for source in sources {
        let path = Path::new(source);
        let wanted = (&features.columns[..], features.mean.len());
        let found = if source == "-" {
            unlabelled(path, io::stdin().lock(), wanted)?
        } else {
            let file = File::open(path).map_err(|error| {
                Failure::bad_input(format!("{source} cannot be read: {error}"))
                    .help("the model takes rows of a table: name CSV files, or - for standard input")
            })?;
            unlabelled(path, file, wanted)?
        };
        for (line, values) in found {
            rows.names.push(format!("{source}:{line}"));
            rows.samples.extend(values);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rows_of_several_tables_are_read_by_the_names_of_columns() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (one, two) = (file("one.csv", "b,id,a\n2,x,1\n4,y,3\n"), file("two.csv", "a,b\n5,6\n"));
        let features = Features {
            columns: ["a", "b"].map(str::to_owned).to_vec(),
            mean: vec![0.0; 2],
            deviation: vec![1.0; 2],
        };
        let rows = read(&features, &[one.clone(), two.clone()]).unwrap();
        assert_eq!(rows.samples, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(rows.names, [format!("{one}:2"), format!("{one}:3"), format!("{two}:2")]);

        let problem = |source: String| read(&features, &[source]).unwrap_err();
        let without = problem(file("without.csv", "a,c\n1,2\n"));
        assert!(
            without.message.contains("it has no column `b`: the model takes a, b"),
            "{}",
            without.message
        );
        let missing = problem("nowhere.csv".to_owned());
        assert!(missing.help.unwrap().contains("CSV"), "{}", missing.message);
    }
}
