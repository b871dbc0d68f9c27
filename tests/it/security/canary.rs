use std::fs;

use anyhow::Result;

use super::{Open, files};

/// The secret of every token that was handed out, and none of it in any log, any error, or the coordinator's folder.
#[test]
fn secrets_are_nowhere_but_where_they_were_handed_over() -> Result<()> {
    let mut open = Open::start(&[])?;
    let line = open.line.clone();
    let words: Vec<_> = line.split(' ').skip(1).collect();
    open.worker("node", &words)?;
    let ids = open.connected(1)?;
    let mut secrets = vec![words[3].to_owned()];
    for role in ["worker", "viewer", "operator", "admin"] {
        let made = open.rung(&["token", "create", "--role", role]).ok().stdout;
        secrets.push(made.trim().rsplit(' ').next().unwrap().to_owned());
    }
    let mut said = String::new();
    // Errors that had a secret at hand: a wrong address, a wrong token, a wrong role.
    for token in &secrets {
        for args in [
            vec!["study", "--coordinator", "127.0.0.1:1", "--token", token],
            vec!["token", "--coordinator", words[1], "--token", token],
            vec!["study", "--coordinator", words[1], "--token", &token[..40]],
            vec!["login", words[1], "--token", &token[..40]],
        ] {
            let ran = open.rung(&args);
            said += &format!("{}{}", ran.stdout, ran.stderr);
        }
    }
    open.rung(&["worker", "revoke", &ids[0]]).ok();
    said += &open.log("coordinator");
    said += &open.log("w0");
    for file in files(&open.state()) {
        // Where they are handed over and kept, for the owner alone.
        if ["coordinator.json", "access/local", "access/ca-key.pem"].iter().any(|kept| file.ends_with(kept)) {
            continue;
        }
        said += &String::from_utf8_lossy(&fs::read(&file)?);
    }
    let key = fs::read_to_string(open.state().join("access/ca-key.pem"))?;
    // The second line of the PEM begins within the private key; what stands before and after it is in certificates too.
    let line = key.lines().nth(2).unwrap_or_default();
    assert!(!said.contains(&line[..20]), "the authority's key was found");
    let note: serde_json::Value = serde_json::from_slice(&fs::read(open.state().join("coordinator.json"))?)?;
    secrets.push(note["token"].as_str().unwrap().to_owned());
    for secret in &secrets {
        // Any stretch of it that is long enough to help.
        let canary = &secret[10..30];
        assert!(!said.contains(canary), "a secret was found");
    }
    assert!(said.contains("RevokeWorker"), "the audit log was looked at too");
    Ok(())
}
