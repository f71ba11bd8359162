//! What a person sees of a path, by the program as it is run.

use std::fs;
use std::process::Command;

use libtest_mimic::Failed;

use super::internet::Internet;
use super::{dotquad, ensure, mtu, read, router, rows, words};

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn start(name: &str) -> Result<(), Failed> {
    let scenario = read(name)?;
    router::play(Internet::read(&scenario), mtu(&scenario))?;
    Ok(())
}

/// Times are somebody else's matter.
fn without_times(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_time = |at: usize| {
        words[at].contains('.') && words.get(at + 1).is_some_and(|it| it.starts_with("ms"))
    };
    let words: Vec<&str> = (0..words.len())
        .map(|at| if is_time(at) { "T" } else { words[at] })
        .collect();
    words.join(" ")
}

const TABLE: &str =
    "10.0.1.0\t10.0.1.255\t64500\tZZ\tONE\n10.0.2.0\t10.0.2.255\t64501\tZZ\tTWO, \"2\"\n";

pub(super) fn formats() -> Result<(), Failed> {
    start("nat")?;
    let run = |words: &[&str]| -> Result<String, Failed> {
        let output = dotquad(&owned(words))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure(output.status.success(), || errors.clone().into_owned())?;
        ensure(errors.is_empty(), || errors.into_owned())?;
        Ok(String::from_utf8(output.stdout)?)
    };
    let table = std::env::temp_dir().join(format!("dotquad-as-{}.tsv", std::process::id()));
    fs::write(&table, TABLE)?;
    let table = table.to_string_lossy().into_owned();
    let text = run(&["-q", "1", "--as", &table, "10.0.99.1"])?;
    let csv = run(&["-q", "1", "--as", &table, "--format", "csv", "10.0.99.1"])?;
    fs::remove_file(&table)?;
    let shown = without_times(&text);
    let lines: Vec<&str> = shown.lines().collect();
    ensure(
        lines[0] == "traceroute to 10.0.99.1 (10.0.99.1), 30 hops max, 60 byte packets",
        || text.clone(),
    )?;
    ensure(lines[1] == " 1  10.0.1.1 [AS64500 ONE]  T ms", || {
        text.clone()
    })?;
    ensure(shown.contains("[NAT]"), || text.clone())?;
    ensure(
        shown.contains("\n    [NAT]        between the hop before"),
        || text.clone(),
    )?;
    ensure(
        csv.lines()
            .nth(1)
            .is_some_and(|row| row.contains(",64500,ONE,")),
        || csv.clone(),
    )?;
    ensure(csv.contains("64501,\"TWO, \"\"2\"\"\","), || csv.clone())?;
    let dot = run(&["-q", "1", "--format", "dot", "10.0.99.1"])?;
    for line in ["\"here\" -> \"10.0.1.1\";", "\"10.0.1.1\" -> \"10.0.2.1\";"] {
        ensure(dot.contains(line), || dot.clone())?;
    }
    let ways = without_times(&run(&["--multipath", "10.0.99.1"])?);
    let third = "\n 3  10.0.3.1  T ms  [transport?] [NAT]\n";
    ensure(ways.contains(third), || ways.clone())?;
    ensure(
        ways.contains("\n    [NAT]        between the hop before"),
        || ways.clone(),
    )?;
    let dot = run(&["--multipath", "--format", "dot", "10.0.99.1"])?;
    for line in ["\"here\" -> \"10.0.1.1\";", "\"10.0.1.1\" -> \"10.0.2.1\";"] {
        ensure(dot.contains(line), || dot.clone())?;
    }
    // One question a hop in each, as mtr asks.
    let report = run(&["--cycles", "3", "--interval", "0.1", "10.0.99.1"])?;
    let first = report.lines().nth(2).unwrap_or_default();
    let cells: Vec<&str> = first.split_whitespace().take(4).collect();
    ensure(cells == ["1", "10.0.1.1", "0.0%", "3"], || report.clone())
}

/// A hundred targets behind the same routers, of which one answers.
pub(super) fn many() -> Result<(), Failed> {
    start("quiet-udp")?;
    let output = dotquad(&owned(&[
        "--format",
        "ndjson",
        "-q",
        "1",
        "-w",
        "1",
        "10.0.99.0/25",
    ]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ends: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("\"event\":\"trace\""))
        .collect();
    ensure(ends.len() == 126, || format!("{} ends", ends.len()))?;
    let reached = ends.iter().filter(|end| end.contains("\"reached\":true"));
    let reached = reached.count();
    // The simulated host answers for whatever address it is asked under.
    ensure(
        output.status.code() == Some(i32::from(reached < 126)),
        || format!("{} with {reached} reached", output.status),
    )
}

/// Two paths between one place where they part and one where they meet.
pub(super) fn diamond() -> Result<(), Failed> {
    let scenario: toml::Table = "
        destination = '10.0.99.1'
        [[hop]]
        name = 'a'
        address = '10.0.1.1'
        balance = 'turns'
        next = ['b', 'c']
        [[hop]]
        name = 'b'
        address = '10.0.2.1'
        next = ['d']
        [[hop]]
        name = 'c'
        address = '10.0.2.2'
        next = ['d']
        [[hop]]
        name = 'd'
        address = '10.0.3.1'
        [[hop]]
        address = '10.0.99.1'
    "
    .parse()?;
    let internet = Internet::read(&scenario);
    let mut ask = words(&scenario, &internet)?;
    ask.extend(owned(&["--multipath", "--confidence", "99"]));
    router::play(internet, 1500)?;
    let output = dotquad(&ask)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, end) = rows(&text)?;
    let links: Vec<String> = end["links"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| format!("{} {} {}", it["ttl"], it["from"], it["to"]))
        .collect();
    for link in [
        "1 \"10.0.1.1\" \"10.0.2.1\"",
        "1 \"10.0.1.1\" \"10.0.2.2\"",
        "2 \"10.0.2.1\" \"10.0.3.1\"",
        "2 \"10.0.2.2\" \"10.0.3.1\"",
        "3 \"10.0.3.1\" \"10.0.99.1\"",
    ] {
        ensure(links.iter().any(|it| it == link), || end.to_string())?;
    }
    let shown = dotquad(&owned(&["--multipath", "10.0.99.1"]))?;
    let text = String::from_utf8_lossy(&shown.stdout);
    ensure(text.contains("-> 10.0.2.1, 10.0.2.2"), || {
        text.clone().into_owned()
    })
}

/// As a user who may nothing: UDP works all the same, and what is hidden is said.
pub(super) fn nobody() -> Result<(), Failed> {
    start("quiet-udp")?;
    // Nobody may not look into the folder that we were built in.
    let copy = std::env::temp_dir().join(format!("dotquad-trace-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_dotquad"), &copy)?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    let run =
        |command: &mut Command, words: &[&str]| -> Result<(Option<i32>, String, String), Failed> {
            let output = command.arg(&copy).arg("trace").args(words).output()?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok((
                output.status.code(),
                text(&output.stdout),
                text(&output.stderr),
            ))
        };
    let udp = run(&mut command, &["10.0.99.1"])?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    let tcp = run(&mut command, &["-T", "10.0.99.1"])?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    let ways = run(&mut command, &["--multipath", "10.0.99.1"])?;
    fs::remove_file(&copy)?;
    ensure(
        udp.0 == Some(0) && udp.1.contains("\n12  10.0.99.1 "),
        || format!("{udp:?}"),
    )?;
    ensure(udp.2.contains("the kernel hides what hops quote"), || {
        udp.2.clone()
    })?;
    for refused in [tcp, ways] {
        let named = refused.2.contains("cap_net_raw");
        ensure(refused.0 == Some(2) && named, || format!("{refused:?}"))?;
    }
    Ok(())
}
