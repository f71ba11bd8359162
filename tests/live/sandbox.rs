//! The sandbox from inside: a child shuts it around itself, tries what it should not be able to
//! do, and says what came of it; from outside, what the kernel says of each of its threads.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::{env, thread};

use dotquad::net::sandbox::{self, Sandbox};
use libtest_mimic::{Failed, Trial};

/// As first argument: be the child.
pub(super) const INSIDE: &str = "--inside-sandbox";

/// A user that is nobody and needs no entry in /etc/passwd.
const NOBODY: u32 = 65534;

const EPERM: &str = "1";
const EACCES: &str = "13";
const ENOSYS: &str = "38";
const DONE: &str = "done";

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    let walls = walls();
    for command in sandbox::Command::ALL {
        let name = format!("{command:?}").to_lowercase();
        trials.push(walls.trial(&format!("sandbox_of_{name}_refuses"), move || {
            refuses(command)
        }));
    }
    trials.extend([
        walls.trial("sandbox_leaves_the_output_folder_open", leaves_folder_open),
        walls.trial("sandbox_leaves_inputs_open", leaves_inputs_open),
        walls.trial("sandbox_is_not_for_two_threads", is_not_for_two),
        walls.trial("sandbox_of_decode_holds_on_each_thread", decode_is_inside),
        walls.trial("sandbox_lets_decode_open_a_fifo_in_its_turn", fifo_in_turn),
        walls.trial(
            "sandbox_lets_decode_read_a_thousand_files",
            a_thousand_files,
        ),
        walls.trial("sandbox_lets_decode_look_up_names", names_are_known),
        as_root("sandbox_leaves_root_nothing", root_has_nothing),
        as_root("sandbox_becomes_the_user_named", becomes_user),
        as_root("sandbox_becomes_who_called_sudo", becomes_sudo_user),
        as_root(
            "sandbox_of_a_set_user_id_copy_is_its_starters",
            set_user_id_copy,
        ),
        as_root(
            "sandbox_names_user_for_a_folder_it_cannot_write",
            cannot_write,
        ),
        as_root(
            "sandbox_of_a_setcap_copy_keeps_the_bounding_set",
            setcap_copy,
        ),
    ]);
    trials
}

/// What this kernel can shut, as the child finds it.
#[derive(Clone, Copy)]
struct Walls(bool);

impl Walls {
    fn trial(
        self,
        name: &str,
        test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        if self.0 {
            return Trial::test(name, test);
        }
        let missing = || Err("no Landlock or no seccomp here".into());
        Trial::test(format!("{name} (needs Landlock and seccomp)"), missing).with_ignored_flag(true)
    }
}

fn walls() -> Walls {
    let said = inside(&["decode"]);
    Walls(said.is_ok_and(|said| said.find("walls") == Some("true true")))
}

/// A test for root itself: not for who is root in a user namespace of its own.
fn as_root(name: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = u64::from_str_radix(value(&status, "CapEff"), 16).unwrap_or(0);
    // CAP_SETGID, CAP_SETUID, CAP_SETPCAP (capabilities(7)).
    let needed = 1 << 6 | 1 << 7 | 1 << 8;
    if is_whole && held & needed == needed {
        return Trial::test(name, test);
    }
    let missing = || Err("we are not root".into());
    Trial::test(format!("{name} (needs root)"), missing).with_ignored_flag(true)
}

/// The value of a line `key: value`.
fn value<'a>(status: &'a str, key: &str) -> &'a str {
    let line = status.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == key).then(|| value.trim())
    });
    line.unwrap_or_default()
}

// The child.

/// What the child does: `COMMAND [--folder F] [--input F] [--user U] [--threads]`.
pub(super) fn be_inside(words: &[String]) -> ExitCode {
    let word = |name: &str| {
        let mut words = words.iter().skip_while(|word| *word != name);
        words.nth(1).map(String::as_str)
    };
    let commands = sandbox::Command::ALL;
    let named =
        |command: &&sandbox::Command| words.first() == Some(&format!("{command:?}").to_lowercase());
    let command = *commands.iter().find(named).expect("a command");
    let inputs: Vec<PathBuf> = word("--input").into_iter().map(PathBuf::from).collect();
    let sandbox = Sandbox {
        user: word("--user"),
        output_folder: word("--folder").map(Path::new),
        inputs: &inputs,
        ..Sandbox::new(command)
    };
    let parent = nix::unistd::getppid();
    if words.iter().any(|word| word == "--threads") {
        thread::spawn(thread::park);
    }
    let entered = match sandbox.enter() {
        Ok(entered) => entered,
        Err(error) => {
            println!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let (files, calls) = (entered.files_confined, entered.calls_confined);
    println!("walls: {files} {calls}");
    // What holds for this thread holds for those that it starts.
    let beside = word("--folder").map(|folder| Path::new(folder).join("../beside"));
    let beside = beside.unwrap_or_else(|| env::temp_dir().join("beside"));
    let tried = thread::spawn(move || attempts(&beside, parent)).join();
    let mut tried = tried.expect("it has not panicked");
    for input in &inputs {
        tried.push(("input", File::open(input).map(drop)));
        let writing = File::options().write(true).open(input);
        tried.push(("input for writing", writing.map(drop)));
    }
    if let Some(folder) = sandbox.output_folder {
        let (one, two) = (folder.join("one"), folder.join("two"));
        let written = File::create(&one).and_then(|mut file| file.write_all(b"data"));
        tried.push(("write within", written));
        tried.push(("rename within", fs::rename(&one, &two)));
        tried.push(("remove within", fs::remove_file(&two)));
        tried.push(("folder within", fs::create_dir(folder.join("folder"))));
        tried.push(("link within", symlink("/etc/passwd", folder.join("link"))));
        tried.push(("rename out of it", fs::rename(folder, "/tmp/elsewhere")));
    }
    for (name, result) in tried {
        let errno = result.map(|()| DONE.to_owned());
        let errno = errno.or_else(|error| error.raw_os_error().map(|it| it.to_string()).ok_or(()));
        println!("{name}: {}", errno.unwrap_or_else(|()| "odd".to_owned()));
    }
    // A panic reads its own binary for the trace, in vain; it must end all the same.
    let panic = thread::spawn(|| assert!(env::args().next().is_none(), "on purpose")).join();
    println!("panic: {}", if panic.is_err() { DONE } else { "odd" });
    ExitCode::SUCCESS
}

/// What nobody needs who has everything open.
#[allow(unsafe_code, reason = "calls that nothing safe makes")]
fn attempts(beside: &Path, parent: nix::unistd::Pid) -> Vec<(&'static str, io::Result<()>)> {
    let said = |result: i64| match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    let mut tried = vec![
        ("open", File::open("/etc/passwd").map(drop)),
        ("list", fs::read_dir("/").map(drop)),
        ("write beside", File::create(beside).map(drop)),
        ("remove beside", fs::remove_file(beside)),
        ("exec", Err(Command::new("/bin/true").exec())),
        ("spawn", Command::new("/bin/true").status().map(drop)),
        ("socket", UdpSocket::bind("127.0.0.1:0").map(drop)),
        (
            "signal",
            nix::sys::signal::kill(parent, None).map_err(io::Error::from),
        ),
        (
            "user",
            nix::unistd::setuid(0.into()).map_err(io::Error::from),
        ),
    ];
    // SAFETY: none of these takes a pointer that is followed, and what they would change if they
    // were not refused harms nobody: the test fails, and the process ends.
    unsafe {
        tried.extend([
            ("ptrace", said(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0))),
            ("clone3", said(libc::syscall(libc::SYS_clone3, 0, 0))),
            ("bpf", said(libc::syscall(libc::SYS_bpf, 0, 0, 0))),
            (
                "io_uring",
                said(libc::syscall(libc::SYS_io_uring_setup, 1, 0)),
            ),
        ]);
        let code = libc::PROT_READ | libc::PROT_EXEC;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let mapped = libc::mmap(std::ptr::null_mut(), 4096, code, kind, -1, 0);
        let failed = mapped == libc::MAP_FAILED;
        tried.push(("executable memory", said(if failed { -1 } else { 0 })));
    }
    tried
}

// The parent.

/// What a child said, line by line.
struct Said(String);

impl Said {
    fn find(&self, key: &str) -> Option<&str> {
        Some(value(&self.0, key)).filter(|value| !value.is_empty())
    }

    fn expect(&self, expected: &[(&str, &str)]) -> Result<(), Failed> {
        for (key, errno) in expected {
            if self.find(key) != Some(errno) {
                return Err(format!("{key} is not {errno} in\n{}", self.0).into());
            }
        }
        Ok(())
    }
}

fn inside(words: &[&str]) -> Result<Said, Failed> {
    let mut child = Command::new(env::current_exe()?);
    child.arg(INSIDE).args(words).env("RUST_BACKTRACE", "1");
    let output = child.env_remove("SUDO_UID").output()?;
    Ok(Said(String::from_utf8(output.stdout)?))
}

/// What every sandbox refuses, whatever it leaves open.
const REFUSED: [(&str, &str); 10] = [
    ("exec", EPERM),
    ("spawn", EPERM),
    ("socket", EPERM),
    ("signal", EPERM),
    ("user", EPERM),
    ("ptrace", EPERM),
    ("clone3", ENOSYS),
    ("bpf", EPERM),
    ("io_uring", EPERM),
    ("executable memory", EPERM),
];

fn refuses(command: sandbox::Command) -> Result<(), Failed> {
    let said = inside(&[&format!("{command:?}").to_lowercase()])?;
    said.expect(&REFUSED)?;
    let files = ["open", "list", "write beside", "remove beside"];
    said.expect(&files.map(|key| (key, EPERM)))?;
    said.expect(&[("panic", DONE)])
}

fn leaves_folder_open() -> Result<(), Failed> {
    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("output");
    fs::create_dir(&folder)?;
    fs::write(parent.path().join("beside"), "older")?;
    for command in ["sniff", "decode"] {
        let said = inside(&[command, "--folder", &folder.to_string_lossy()])?;
        said.expect(&REFUSED)?;
        said.expect(&[
            // The calls are there now, and Landlock says where.
            ("open", EACCES),
            ("list", EACCES),
            ("write beside", EACCES),
            ("remove beside", EACCES),
            ("write within", DONE),
            ("rename within", DONE),
            ("remove within", DONE),
            ("folder within", EPERM),
            ("link within", EPERM),
            ("panic", DONE),
        ])?;
        if said.find("rename out of it") == Some(DONE) {
            return Err("the folder itself was renamed".into());
        }
        // The probe file has gone again.
        assert_eq!(fs::read_dir(&folder)?.count(), 0);
    }
    assert_eq!(fs::read_to_string(parent.path().join("beside"))?, "older");
    Ok(())
}

fn leaves_inputs_open() -> Result<(), Failed> {
    let file = tempfile::NamedTempFile::new()?;
    let said = inside(&["decode", "--input", &file.path().to_string_lossy()])?;
    said.expect(&REFUSED)?;
    said.expect(&[
        ("open", EACCES),
        ("list", EACCES),
        ("write beside", EACCES),
        ("remove beside", EPERM),
        ("input", DONE),
        ("input for writing", EACCES),
    ])?;
    // A folder is no input, and opens nothing of what is in it.
    let said = inside(&["decode", "--input", "/etc"])?;
    said.expect(&[("open", EACCES), ("list", EACCES)])
}

fn is_not_for_two() -> Result<(), Failed> {
    let said = inside(&["decode", "--threads"])?;
    let refused = said
        .find("error")
        .is_some_and(|why| why.contains("threads"));
    refused.then_some(()).ok_or_else(|| said.0.into())
}

/// A `dotquad decode` that has shown the first packet and waits for the next.
struct Waiting {
    child: Child,
    input: ChildStdin,
}

impl Waiting {
    fn start(mut command: Command, words: &[&str]) -> Result<Self, Failed> {
        command.args(["decode", "-j", "2", "-"]).args(words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().expect("it is piped");
        let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/icmp_echo.pcap");
        input.write_all(&fs::read(capture)?)?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("it is piped")).read_line(&mut line)?;
        if line.is_empty() {
            return Err(format!("nothing was shown: {}", child.wait()?).into());
        }
        Ok(Self { child, input })
    }

    /// What the kernel says of each thread.
    fn threads(&self) -> Result<Vec<String>, Failed> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        let status = threads.map(|thread| fs::read_to_string(thread?.path().join("status")));
        let status = status.collect::<io::Result<Vec<_>>>()?;
        // Two workers, and the one that writes.
        assert_eq!(status.len(), 3);
        Ok(status)
    }

    fn end(mut self) -> Result<(), Failed> {
        drop(self.input);
        // What is left to read fits into the pipe.
        assert!(self.child.wait()?.success());
        Ok(())
    }
}

fn dotquad() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dotquad"));
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    command
}

const GIVEN_UP: [(&str, &str); 6] = [
    ("CapEff", "0000000000000000"),
    ("CapPrm", "0000000000000000"),
    ("CapInh", "0000000000000000"),
    ("CapAmb", "0000000000000000"),
    ("NoNewPrivs", "1"),
    ("Seccomp", "2"),
];
const UNBOUND: (&str, &str) = ("CapBnd", "0000000000000000");

/// Every thread of what waits says all of this.
fn all_say(waiting: Waiting, expected: &[(&str, &str)]) -> Result<(), Failed> {
    for status in waiting.threads()? {
        let said = Said(status.replace('\t', " "));
        said.expect(expected)?;
    }
    waiting.end()
}

fn decode_is_inside() -> Result<(), Failed> {
    all_say(Waiting::start(dotquad(), &[])?, &GIVEN_UP)?;
    // And left out, it is said.
    let mut command = dotquad();
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/icmp_echo.pcap");
    let output = command.args(["decode", "--no-sandbox", capture]).output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(said.starts_with("dotquad: no sandbox"), "{said}");
    assert!(output.status.success());
    Ok(())
}

/// Opening a FIFO waits for its writer, who here starts only when the first capture was read.
fn fifo_in_turn() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    for fifo in [&first, &second] {
        assert!(Command::new("mkfifo").arg(fifo).status()?.success());
    }
    let child = dotquad()
        .args(["decode", "--count", "-r"])
        .arg(&first)
        .arg("-r")
        .arg(&second)
        .stdout(Stdio::piped())
        .spawn()?;
    let capture = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/captures/icmp_echo.pcap"
    ))?;
    for fifo in [&first, &second] {
        fs::write(fifo, &capture)?;
    }
    let output = child.wait_with_output()?;
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/icmp_echo.pcap");
    let alone = dotquad().args(["decode", "--count", capture]).output()?;
    let count =
        |bytes: Vec<u8>| -> Result<u64, Failed> { Ok(String::from_utf8(bytes)?.trim().parse()?) };
    assert_eq!(count(output.stdout)?, 2 * count(alone.stdout)?);
    Ok(())
}

/// The child that looks up names was started before; it reads /etc/hosts by itself.
fn names_are_known() -> Result<(), Failed> {
    let hosts = fs::read_to_string("/etc/hosts")?;
    assert!(hosts.contains("localhost"), "a host that knows itself");
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/linux_sll2.pcap");
    let output = dotquad().args(["decode", "--names", capture]).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(said.contains("localhost > localhost"), "{said}");
    // Those of a filter are looked up before.
    let output = dotquad()
        .args(["decode", "--count", capture, "host", "localhost"])
        .output()?;
    assert_ne!(count(output.stdout)?, 0);
    Ok(())
}

/// More captures than descriptors: most are opened in their turn, and only they can be.
fn a_thousand_files() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/icmp_echo.pcap");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 300; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_dotquad"));
    command.args(["decode", "--count"]).env_remove("SUDO_UID");
    for number in 0..1000 {
        let path = folder.path().join(number.to_string());
        fs::copy(source, &path)?;
        command.arg("-r").arg(path);
    }
    let missing = folder.path().join("missing");
    let output = command.arg("-r").arg(&missing).output()?;
    let alone = dotquad().args(["decode", "--count", source]).output()?;
    assert_eq!(count(output.stdout)?, 1000 * count(alone.stdout)?);
    // What is not there is called so, in its turn.
    let said = String::from_utf8(output.stderr)?;
    assert!(
        said.contains("missing") && said.contains("no such file"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}

/// What `--count` says.
fn count(said: Vec<u8>) -> Result<u64, Failed> {
    Ok(String::from_utf8(said)?.trim().parse()?)
}

fn root_has_nothing() -> Result<(), Failed> {
    let expected = [&GIVEN_UP[..], &[UNBOUND, ("Uid", "0 0 0 0")]].concat();
    all_say(Waiting::start(dotquad(), &[])?, &expected)
}

fn becomes_user() -> Result<(), Failed> {
    let nobody = nix::unistd::User::from_name("nobody")?.ok_or("there is no nobody")?;
    let ids = |id: u32| format!("{id} {id} {id} {id}");
    let (user, group) = (ids(nobody.uid.as_raw()), ids(nobody.gid.as_raw()));
    for name in ["nobody", &nobody.uid.to_string()] {
        let expected = [&GIVEN_UP[..], &[UNBOUND, ("Uid", &user), ("Gid", &group)]];
        let waiting = Waiting::start(dotquad(), &["--user", name])?;
        all_say(waiting, &expected.concat())?;
    }
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/icmp_echo.pcap");
    let output = dotquad()
        .args(["decode", "--user", "no such user", capture])
        .output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(said.contains("no such user"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    // A file that only root can read was opened before.
    let secret = tempfile::NamedTempFile::new()?;
    fs::copy(capture, secret.path())?;
    fs::set_permissions(secret.path(), fs::Permissions::from_mode(0o600))?;
    let output = dotquad()
        .args(["decode", "--user", "nobody", capture, "-r"])
        .arg(secret.path())
        .output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(())
}

fn becomes_sudo_user() -> Result<(), Failed> {
    let mut command = dotquad();
    // A number that no file knows: in no group but its own.
    command.env("SUDO_UID", "54321").env("SUDO_GID", "54322");
    let expected = [
        UNBOUND,
        ("Uid", "54321 54321 54321 54321"),
        ("Gid", "54322 54322 54322 54322"),
        ("Groups", "54322"),
    ];
    let expected = [&GIVEN_UP[..], &expected].concat();
    all_say(Waiting::start(command, &[])?, &expected)
}

fn cannot_write() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let path = folder.path().to_string_lossy();
    let nobody = NOBODY.to_string();
    let said = inside(&["sniff", "--folder", &path, "--user", &nobody])?;
    let why = said.find("error").unwrap_or_default();
    assert!(why.contains(&*path) && why.contains("--user"), "{}", said.0);
    // What that user may write is all right.
    chown(folder.path(), Some(NOBODY), None)?;
    let said = inside(&["sniff", "--folder", &path, "--user", &nobody])?;
    said.expect(&[("walls", "true true"), ("write within", DONE)])
}

/// A copy of the program that any user can start. Another process makes it: a descriptor for
/// writing that a test's child inherits would keep it from being started (ETXTBSY).
fn copy(folder: &Path) -> io::Result<PathBuf> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let copy = folder.join("dotquad");
    let mut cp = Command::new("cp");
    cp.arg(env!("CARGO_BIN_EXE_dotquad")).arg(&copy);
    assert!(cp.status()?.success(), "it can be copied");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    Ok(copy)
}

fn set_user_id_copy() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let copy = copy(folder.path())?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755))?;
    let mut command = Command::new(&copy);
    // Whatever the environment pretends.
    command.uid(NOBODY).gid(NOBODY);
    command.env("SUDO_UID", "54321").env("SUDO_GID", "0");
    let ids = format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}");
    let expected = [UNBOUND, ("Uid", &ids), ("Gid", &ids)];
    all_say(
        Waiting::start(command, &[])?,
        &[&GIVEN_UP[..], &expected].concat(),
    )
}

fn setcap_copy() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let copy = copy(folder.path())?;
    let set = Command::new("setcap")
        .arg("cap_net_raw=ep")
        .arg(&copy)
        .status();
    if !set?.success() {
        return Err("setcap failed".into());
    }
    // Who is not root becomes nobody else.
    let mut other = Command::new(&copy);
    other.uid(NOBODY).gid(NOBODY).env_remove("SUDO_UID");
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/icmp_echo.pcap");
    let readable = folder.path().join("capture.pcap");
    fs::copy(capture, &readable)?;
    fs::set_permissions(&readable, fs::Permissions::from_mode(0o644))?;
    let words = ["decode", "--user", "root"];
    let output = other.args(words).arg(readable).output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(said.contains("only root can"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    let mut command = Command::new(&copy);
    command.uid(NOBODY).gid(NOBODY).env_remove("SUDO_UID");
    let waiting = Waiting::start(command, &[])?;
    let bound = value(waiting.threads()?.first().ok_or("no thread")?, "CapBnd").to_owned();
    assert_ne!(bound, UNBOUND.1, "only CAP_SETPCAP empties it");
    all_say(waiting, &GIVEN_UP)
}
