//! `anteroom demo` as somebody would start it: the real binary, real ports, a real interrupt.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The demo with a folder of its own for temporary files.
fn demo(arguments: &[&str], temporary: &TempDir) -> Child {
    Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(["demo", "--port", "0"])
        .args(arguments)
        // The demo is itself whatever the environment says of another Anteroom.
        .env("ANTEROOM_LISTEN__PUBLIC", "192.0.2.1:1")
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

fn left_behind(temporary: &TempDir) -> usize {
    temporary.path().read_dir().expect("the folder is there").count()
}

#[test]
fn the_tour_walks_the_whole_story() {
    let temporary = TempDir::new().expect("there is room");
    let output = demo(&["--tour"], &temporary).wait_with_output().expect("the tour ends");
    let printed = String::from_utf8(output.stdout).expect("it is text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");

    let steps = [
        "are up",
        "gets 401",
        "Maren opens /work-orders/1024",
        "leads to \"Log In with Microsoft\"",
        "Maren continues there",
        "Maren arrives at the deep link",
        "Noa opens /work-orders/1024",
        "the Waiting Room",
        "gets 403",
        "Noa says where",
        "leads Maren to the New User form",
        "Maren gets mail: Noa Lindström waits",
        "the form filled in for Noa",
        "Maren asks for the level",
        "Noa's open page learns of it",
        "Dario opens /.anteroom/support",
        "Dario continues there",
        "shows Dario the queue",
        "Dario takes the request",
        "Dario approves it",
        "the Waiting Room's event `released`",
        "Noa's page moves on to the deep link",
        "the other property stay closed",
        "Noa gets mail: \"You have access\"",
        "Maren gets mail: Noa Lindström has access",
        "its events stream through Anteroom",
        "anteroom user revoke noa.lindstrom@contoso.example",
        "to the end of the stream",
        "leads Noa to the Waiting Room again",
        "Noa signs out",
        "The old cookie opens nothing",
    ];
    let mut lines = printed.lines();
    for step in steps {
        let line = lines.find(|line| line.contains(step));
        let line = line.unwrap_or_else(|| panic!("no line with {step:?} in its place:\n{printed}"));
        assert!(line.contains('✓') && line.contains(" ms "), "{line}");
    }
    assert!(!printed.contains('✗'), "{printed}");
    assert!(printed.contains("All of it happened"), "{printed}");
    assert_eq!(left_behind(&temporary), 0, "the temporary folder is gone");
}

#[test]
fn the_tour_can_be_walked_again_in_a_folder_that_was_kept() {
    let temporary = TempDir::new().expect("there is room");
    let data = TempDir::new().expect("there is room");
    let folder = data.path().join("kept");
    let arguments = ["--tour", "--data", folder.to_str().expect("the path is text")];
    for round in ["first", "second"] {
        let output = demo(&arguments, &temporary).wait_with_output().expect("the tour ends");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{round}: {printed}");
    }
    assert!(folder.join("anteroom.toml").exists());
}

#[test]
fn the_demo_says_what_to_try_and_ends_when_it_is_interrupted() {
    let temporary = TempDir::new().expect("there is room");
    let mut child = demo(&[], &temporary);
    let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    let mut printed = String::new();
    for line in lines.by_ref() {
        let line = line.expect("it is text");
        printed.push_str(&line);
        printed.push('\n');
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    for part in [
        "http://app.localhost:",
        "maren.holt@",
        "dario.quist@",
        "noa.lindstrom@",
        "/.anteroom/manage",
        "/.anteroom/support",
        "is told by mail: http://127.0.0.1:",
        "user revoke",
        "anteroom.toml",
    ] {
        assert!(printed.contains(part), "no {part:?} in\n{printed}");
    }
    assert_eq!(left_behind(&temporary), 1);

    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("there is a `kill`").success());
    let status = child.wait().expect("it ends");
    let mut errors = String::new();
    child.stderr.take().expect("it is a pipe").read_to_string(&mut errors).expect("it is text");
    assert!(status.success(), "{status}: {errors}");
    assert_eq!(left_behind(&temporary), 0, "the temporary folder is gone");
}

#[test]
fn a_folder_with_a_configuration_of_somebody_else_is_left_alone() {
    let temporary = TempDir::new().expect("there is room");
    let data = TempDir::new().expect("there is room");
    let config = data.path().join("anteroom.toml");
    std::fs::write(&config, "[app]\n").expect("there is room");
    let arguments = ["--tour", "--data", data.path().to_str().expect("the path is text")];
    let output = demo(&arguments, &temporary).wait_with_output().expect("it ends");
    assert!(!output.status.success());
    let said = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("was not written by the demo"));
    assert_eq!(std::fs::read_to_string(&config).expect("it is there"), "[app]\n");
}
