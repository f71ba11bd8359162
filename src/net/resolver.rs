//! Names by a child process, so that the process that reads packets needs neither name servers
//! nor the libraries that ask them.
//!
//! The child is our own binary, started before the sandbox closes, and it shuts a sandbox of its
//! own before it reads its first question. Parent and child speak lines over a socket
//! pair, one answer to each question, in order:
//!
//! ```text
//! a example.org      ->  192.0.2.1 192.0.2.2
//! p 192.0.2.1        ->  host.example.org          (empty: it has no name)
//!                    ->  !the name does not exist  (any failure)
//! ```
//!
//! Neither half trusts the other: the child escapes what name servers say, the parent refuses
//! what is not clean. Must not know who shows a name.

mod child;

use std::collections::{HashMap, VecDeque};
use std::env;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::databases;
use crate::error::{Error, Result};
use crate::filter::Resolve;

pub use child::serve;

/// The hidden subcommand under which our own binary answers questions.
pub const SUBCOMMAND: &str = "__resolver";

/// How long a question may take. glibc by default asks again after five seconds: one lost packet
/// is to cost no name.
const DEADLINE: Duration = Duration::from_secs(6);
/// After so many questions in a row that nobody answered in time, nothing more is asked.
const PATIENCE: u32 = 3;
/// The cache is emptied when it holds this many addresses: a capture may hold any number.
const CACHE_LEN: usize = 65_536;
/// The longest line taken from the child: some four thousand addresses.
const LINE_LEN: usize = 65_536;

/// What getaddrinfo and getnameinfo read of the environment (resolv.conf(5), hostname(7)), and
/// where the loader finds the libraries they load. Everything else stays behind.
const ENVIRONMENT: [&str; 5] = [
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "LD_LIBRARY_PATH",
];

/// Turns addresses into names and names into addresses; shared freely between threads.
///
/// Questions are asked one at a time; what is known already is answered without waiting.
#[derive(Debug)]
pub struct Resolver {
    cache: Mutex<HashMap<Ipv4Addr, Option<Arc<str>>>>,
    line: Mutex<Line>,
    child: Option<Child>,
}

impl Resolver {
    /// Starts the child. To be called before a sandbox forbids it, and best before any thread
    /// runs.
    ///
    /// # Errors
    ///
    /// [`crate::error::Kind::Usage`] when our own binary cannot be started again.
    pub fn start() -> Result<Self> {
        let doing = "starting the resolver";
        let (ours, theirs) = UnixStream::pair().map_err(|why| Error::usage(doing, why))?;
        let child = spawn(theirs).map_err(|why| Error::usage(doing, why))?;
        Ok(Self::over(ours, Some(child)))
    }

    fn over(stream: UnixStream, child: Option<Child>) -> Self {
        Self {
            cache: Mutex::default(),
            line: Mutex::new(Line::new(stream)),
            child,
        }
    }

    /// The name of an address: None when it has none, or when it could not be had in time.
    ///
    /// Every address is asked for once. An answer that comes too late is still kept for the next
    /// time. The name is printable ASCII.
    pub fn name(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        if let Some(known) = lock(&self.cache).get(&address) {
            return known.clone();
        }
        let mut line = lock(&self.line);
        // While this thread waited for the line, another may have asked the same.
        if let Some(known) = lock(&self.cache).get(&address) {
            return known.clone();
        }
        let question = Question::Name(address);
        if line
            .ask(question, |it, answer| self.note(&it, answer))
            .is_err()
        {
            self.remember(address, None);
        }
        lock(&self.cache).get(&address).cloned().flatten()
    }

    /// Keeps what an answer taught, whoever waited for it.
    fn note(&self, question: &Question, answer: &str) {
        if let Question::Name(address) = question {
            self.remember(*address, name_in(answer));
        }
    }

    fn remember(&self, address: Ipv4Addr, name: Option<Arc<str>>) {
        let mut cache = lock(&self.cache);
        if cache.len() >= CACHE_LEN && !cache.contains_key(&address) {
            cache.clear();
        }
        cache.insert(address, name);
    }

    /// The IPv4 addresses of a name, in the order the system prefers them; at least one.
    ///
    /// # Errors
    ///
    /// [`crate::error::Kind::Usage`] when the name has no IPv4 address, or nobody said so in time.
    pub fn addresses(&self, name: &str) -> Result<Vec<Ipv4Addr>> {
        let failed = |why: &dyn fmt::Display| {
            let shown = name.escape_debug();
            Error::usage(format!("resolving {shown}"), why)
        };
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        if name.is_empty() || name.contains(|it: char| it.is_whitespace() || it.is_control()) {
            return Err(failed(&"this is not a name"));
        }
        let question = Question::Addresses(name.to_owned());
        let answer = lock(&self.line)
            .ask(question, |it, answer| self.note(&it, answer))
            .map_err(|why| failed(&why))?;
        if let Some(reason) = answer.strip_prefix('!') {
            return Err(failed(&reason.escape_debug()));
        }
        let addresses: Option<Vec<_>> = answer.split(' ').map(|it| it.parse().ok()).collect();
        addresses.ok_or_else(|| failed(&"the resolver did not answer with addresses"))
    }

    /// Once, after the resolver has given up: why no more names will come. Never waits: while
    /// another thread still waits for an answer, nothing has been given up.
    pub fn notice(&self) -> Option<String> {
        let mut line = match self.line.try_lock() {
            Ok(line) => line,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        line.notice.take()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // A child that is not ours to kill any more (its user is not ours, or the sandbox is
        // shut) sees the socket close, leaves by itself, and is reaped by init.
        if child.kill().is_ok() {
            let _ = child.wait();
        }
    }
}

/// A question under way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Name(Ipv4Addr),
    Addresses(String),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(address) => write!(f, "p {address}"),
            Self::Addresses(name) => write!(f, "a {name}"),
        }
    }
}

/// Our end of the socket pair.
///
/// The child answers in order, so a question nobody waits for any more stays in the queue until
/// its answer has come and is out of the way.
#[derive(Debug)]
struct Line {
    stream: BufReader<UnixStream>,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    unanswered: VecDeque<Question>,
    deadline: Duration,
    timeouts: u32,
    has_given_up: bool,
    notice: Option<String>,
}

impl Line {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            partial: Vec::new(),
            unanswered: VecDeque::new(),
            deadline: DEADLINE,
            timeouts: 0,
            has_given_up: false,
            notice: None,
        }
    }

    /// Asks and waits until the deadline. `note` sees every answer on the way, the late ones of
    /// earlier questions too.
    fn ask(&mut self, question: Question, note: impl FnMut(Question, &str)) -> io::Result<String> {
        if self.has_given_up {
            return Err(io::Error::other("the resolver has stopped"));
        }
        match self.converse(question, note) {
            Ok(answer) => {
                self.timeouts = 0;
                Ok(answer)
            }
            Err(why) if is_timeout(&why) => {
                self.timeouts = self.timeouts.saturating_add(1);
                if self.timeouts >= PATIENCE {
                    self.give_up(&format!(
                        "no name server has answered {PATIENCE} questions in a row"
                    ));
                }
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
            }
            Err(why) => {
                self.give_up(&format!("the resolver process failed: {why}"));
                Err(why)
            }
        }
    }

    fn give_up(&mut self, why: &str) {
        self.has_given_up = true;
        self.notice = Some(format!(
            "looking up names: {why} (no more names are asked for)"
        ));
    }

    fn converse(
        &mut self,
        question: Question,
        mut note: impl FnMut(Question, &str),
    ) -> io::Result<String> {
        let started = Instant::now();
        writeln!(self.stream.get_mut(), "{question}")?;
        self.unanswered.push_back(question);
        loop {
            let left = self.deadline.saturating_sub(started.elapsed());
            let answer = self.read_line(left)?;
            let question = self
                .unanswered
                .pop_front()
                .ok_or_else(|| io::Error::other("an answer nobody asked for"))?;
            note(question, &answer);
            if self.unanswered.is_empty() {
                return Ok(answer);
            }
        }
    }

    /// The next line without its end. What has come of it is kept when time runs out.
    fn read_line(&mut self, mut left: Duration) -> io::Result<String> {
        let started = Instant::now();
        let budget = left;
        loop {
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.get_ref().set_read_timeout(Some(left))?;
            let room = (LINE_LEN + 1).saturating_sub(self.partial.len());
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            let mut limited = (&mut self.stream).take(room);
            match limited.read_until(b'\n', &mut self.partial) {
                Ok(_) if self.partial.pop_if(|last| *last == b'\n').is_some() => break,
                Ok(_) if self.partial.len() > LINE_LEN => {
                    return Err(io::Error::other("a line without end"));
                }
                Ok(_) => return Err(io::Error::other("it has ended")),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
            left = budget.saturating_sub(started.elapsed());
        }
        String::from_utf8(std::mem::take(&mut self.partial)).map_err(io::Error::other)
    }
}

/// A read that ran into its time limit says `WouldBlock` on Linux.
fn is_timeout(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// The name in an answer, unless the child let something through that no terminal should see.
fn name_in(answer: &str) -> Option<Arc<str>> {
    let is_clean = !answer.is_empty() && answer.bytes().all(|it| it.is_ascii_graphic());
    (is_clean && !answer.starts_with('!')).then(|| answer.into())
}

/// A poisoned lock still guards whole values: every change under it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(theirs: UnixStream) -> io::Result<Child> {
    let program = if cfg!(target_os = "linux") {
        // The binary that runs, even if its file was replaced since.
        PathBuf::from("/proc/self/exe")
    } else {
        env::current_exe()?
    };
    let input = OwnedFd::from(theirs.try_clone()?);
    let mut command = Command::new(program);
    command
        .arg0("dotquad")
        .arg(SUBCOMMAND)
        .env_clear()
        .envs(
            ENVIRONMENT
                .into_iter()
                .filter_map(|key| Some((key, env::var_os(key)?))),
        )
        .stdin(input)
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::null())
        // Out of the terminal's foreground group: Ctrl-C is for the parent, who may still want
        // the names of what it prints last.
        .process_group(0);
    command.spawn()
}

impl Resolve for Resolver {
    fn host(&self, name: &str) -> Result<Vec<Ipv4Addr>, String> {
        self.addresses(name).map_err(|error| error.to_string())
    }

    fn network(&self, name: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
        databases::network(name)
    }

    fn ethernet(&self, name: &str) -> Result<[u8; 6], String> {
        databases::ethernet(name)
    }
}

/// A resolver that is started by the first question.
#[derive(Debug, Default)]
pub struct OnDemand(OnceLock<Result<Resolver>>);

impl Resolve for OnDemand {
    fn host(&self, name: &str) -> Result<Vec<Ipv4Addr>, String> {
        match self.0.get_or_init(Resolver::start) {
            Ok(resolver) => resolver.host(name),
            Err(error) => Err(error.to_string()),
        }
    }

    fn network(&self, name: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
        databases::network(name)
    }

    fn ethernet(&self, name: &str) -> Result<[u8; 6], String> {
        databases::ethernet(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use std::thread::{self, JoinHandle};

    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    /// A resolver whose child reads one question for each of these answers, gives that answer,
    /// and ends; joined, it tells what it was asked.
    fn scripted(answers: Vec<Vec<u8>>) -> (Resolver, JoinHandle<Vec<String>>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let child = thread::spawn(move || {
            let mut questions = BufReader::new(theirs.try_clone().unwrap()).lines();
            let mut asked = Vec::new();
            for answer in answers {
                asked.push(questions.next().unwrap().unwrap());
                // Nobody may be listening any more.
                let _ = theirs.write_all(&answer);
            }
            asked
        });
        (Resolver::over(ours, None), child)
    }

    fn answers(lines: &[&str]) -> Vec<Vec<u8>> {
        lines.iter().map(|it| format!("{it}\n").into()).collect()
    }

    fn set_deadline(resolver: &Resolver, deadline: Duration) {
        lock(&resolver.line).deadline = deadline;
    }

    #[test]
    fn the_real_child_and_the_real_parent_understand_each_other() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = thread::spawn(move || {
            child::answer_all(BufReader::new(theirs.try_clone().unwrap()), theirs)
        });
        let resolver = Resolver::over(ours, None);
        // 127.1 is an address to getaddrinfo and not to us: nobody else needs to be asked.
        assert_eq!(resolver.addresses("127.1").unwrap(), [Ipv4Addr::LOCALHOST]);
        drop(resolver);
        child.join().unwrap().unwrap();
    }

    #[test]
    fn an_address_is_asked_for_once() {
        let (resolver, child) = scripted(answers(&["a.example", ""]));
        for _ in 0..3 {
            assert_eq!(resolver.name(A).as_deref(), Some("a.example"));
            assert_eq!(resolver.name(B), None);
        }
        assert_eq!(child.join().unwrap(), ["p 192.0.2.1", "p 192.0.2.2"]);
        assert_eq!(resolver.notice(), None);
    }

    #[test]
    fn what_no_terminal_should_see_is_no_name() {
        let bad = ["!a.example", "a b", "a\x1b[2J", "caf\u{e9}"];
        let (resolver, child) = scripted(answers(&bad));
        for last in 0..4 {
            assert_eq!(resolver.name(Ipv4Addr::new(192, 0, 2, last)), None);
        }
        child.join().unwrap();
        assert_eq!(resolver.notice(), None);
    }

    #[test]
    fn a_late_answer_goes_to_its_own_question() {
        let (resolver, child) = scripted(answers(&["a.example", "b.example"]));
        set_deadline(&resolver, Duration::ZERO);
        assert_eq!(resolver.name(A), None);
        set_deadline(&resolver, DEADLINE);
        assert_eq!(resolver.name(B).as_deref(), Some("b.example"));
        assert_eq!(resolver.name(A).as_deref(), Some("a.example"));
        assert_eq!(child.join().unwrap().len(), 2);
    }

    #[test]
    fn after_three_silences_nothing_is_asked_and_it_is_said_once() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let resolver = Resolver::over(ours, None);
        set_deadline(&resolver, Duration::ZERO);
        for last in 1..=5 {
            assert_eq!(resolver.name(Ipv4Addr::new(192, 0, 2, last)), None);
        }
        assert!(resolver.notice().unwrap().contains("3 questions in a row"));
        assert_eq!(resolver.notice(), None);
        assert!(resolver.addresses("a.example").is_err());
        drop(resolver);
        let mut asked = String::new();
        theirs.read_to_string(&mut asked).unwrap();
        assert_eq!(asked, "p 192.0.2.1\np 192.0.2.2\np 192.0.2.3\n");
    }

    #[test]
    fn who_asks_why_no_names_come_waits_for_no_question() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let resolver = Arc::new(Resolver::over(ours, None));
        let own = Arc::clone(&resolver);
        let asking = thread::spawn(move || own.name(A));
        let mut questions = BufReader::new(theirs.try_clone().unwrap());
        questions.read_line(&mut String::new()).unwrap();
        assert_eq!(resolver.notice(), None);
        // Had that waited for the question, its time would be up.
        theirs.write_all(b"a.example\n").unwrap();
        assert_eq!(asking.join().unwrap().as_deref(), Some("a.example"));
    }

    #[test]
    fn an_answer_between_silences_renews_the_patience() {
        let (resolver, child) = scripted(answers(&[""; 6]));
        for last in 0..6 {
            let is_awaited = last % 3 == 2;
            let deadline = if is_awaited { DEADLINE } else { Duration::ZERO };
            set_deadline(&resolver, deadline);
            assert_eq!(resolver.name(Ipv4Addr::new(192, 0, 2, last)), None);
        }
        assert_eq!(child.join().unwrap().len(), 6);
        assert_eq!(resolver.notice(), None);
    }

    #[test]
    fn a_child_that_ends_is_missed_once() {
        let (resolver, child) = scripted(Vec::new());
        child.join().unwrap();
        assert_eq!(resolver.name(A), None);
        assert_eq!(resolver.name(B), None);
        assert!(resolver.notice().is_some());
        assert_eq!(resolver.notice(), None);
    }

    #[test]
    fn a_line_without_end_is_not_collected() {
        let (resolver, child) = scripted(vec![vec![b'a'; 2 * LINE_LEN]]);
        assert_eq!(resolver.name(A), None);
        assert!(resolver.notice().unwrap().contains("without end"));
        assert!(lock(&resolver.line).partial.len() <= LINE_LEN + 1);
        drop(resolver);
        child.join().unwrap();
    }

    #[test]
    fn addresses_are_read_and_reasons_told() {
        let lines = ["192.0.2.1 192.0.2.2", "!the name does not exist", "", "::1"];
        let (resolver, child) = scripted(answers(&lines));
        assert_eq!(resolver.addresses("a.example").unwrap(), [A, B]);
        assert_eq!(
            resolver.addresses("b.example").unwrap_err().to_string(),
            "resolving b.example: the name does not exist"
        );
        assert!(resolver.addresses("c.example").is_err());
        assert!(resolver.addresses("d.example").is_err());
        assert_eq!(child.join().unwrap()[0], "a a.example");
    }

    #[test]
    fn what_is_no_name_is_never_asked() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let resolver = Resolver::over(ours, None);
        assert_eq!(resolver.addresses("192.0.2.1").unwrap(), [A]);
        for name in ["", "a b", "a\np 192.0.2.1", "a\0b", "\u{9b}"] {
            let why = resolver.addresses(name).unwrap_err().to_string();
            assert!(!why.contains(|it: char| it.is_control()), "{why:?}");
        }
        drop(resolver);
        let mut asked = String::new();
        theirs.read_to_string(&mut asked).unwrap();
        assert_eq!(asked, "");
    }

    #[test]
    fn the_cache_is_bounded() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let resolver = Resolver::over(ours, None);
        for number in (0_u32..).take(CACHE_LEN) {
            resolver.remember(number.into(), None);
        }
        resolver.remember(Ipv4Addr::UNSPECIFIED, None);
        assert_eq!(lock(&resolver.cache).len(), CACHE_LEN);
        resolver.remember(Ipv4Addr::BROADCAST, None);
        assert_eq!(lock(&resolver.cache).len(), 1);
    }

    #[test]
    fn threads_share_it() {
        fn shared<T: Send + Sync>() {}
        shared::<Resolver>();
    }
}
